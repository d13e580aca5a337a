-- What every arbitrator answers for, kept as trades change, so that a draw does not add up all open trades.

CREATE TABLE arbitrator_exposure (
    arbitrator  uuid NOT NULL REFERENCES arbitrators (account),
    slot        integer NOT NULL CHECK (slot BETWEEN 0 AND 63),
    sat         bigint NOT NULL,
    PRIMARY KEY (arbitrator, slot)
);
COMMENT ON TABLE arbitrator_exposure IS 'The sum over the slots is the sum of the deposits of an arbitrator''s open trades.';
COMMENT ON COLUMN arbitrator_exposure.slot IS 'Each connection counts in a row of its own, so that takes do not queue for one row; a slot alone may be negative.';

CREATE FUNCTION keep_exposure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before bigint := 0;
    after bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.stage NOT IN ('completed', 'cancelled') THEN before := OLD.deposit_sat; END IF;
    IF NEW.stage NOT IN ('completed', 'cancelled') THEN after := NEW.deposit_sat; END IF;
    IF before <> after THEN
        INSERT INTO arbitrator_exposure AS kept (arbitrator, slot, sat)
        VALUES (NEW.arbitrator, pg_backend_pid() % 64, after - before)
        ON CONFLICT (arbitrator, slot) DO UPDATE SET sat = kept.sat + excluded.sat;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER trades_keep_exposure AFTER INSERT OR UPDATE OF stage, deposit_sat ON trades
    FOR EACH ROW EXECUTE FUNCTION keep_exposure();

INSERT INTO arbitrator_exposure (arbitrator, slot, sat)
SELECT arbitrator, 0, sum(deposit_sat) FROM trades WHERE stage NOT IN ('completed', 'cancelled') GROUP BY arbitrator;
