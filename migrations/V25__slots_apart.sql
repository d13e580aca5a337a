-- Takes and what ends trades count an arbitrator's exposure in rows apart. A take comes to its row last, an ending first,
-- before it asks for the offer and the board; in one row they could wait for each other.
CREATE OR REPLACE FUNCTION keep_exposure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before bigint := 0;
    after bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.stage NOT IN ('completed', 'cancelled') THEN before := OLD.deposit_sat; END IF;
    IF NEW.stage NOT IN ('completed', 'cancelled') THEN after := NEW.deposit_sat; END IF;
    IF before <> after THEN
        INSERT INTO arbitrator_exposure AS kept (arbitrator, slot, sat)
        VALUES (NEW.arbitrator, pg_backend_pid() % 32, after - before)
        ON CONFLICT (arbitrator, slot) DO UPDATE SET sat = kept.sat + excluded.sat;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION begin_trades() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- As values, so that each is looked up by its key however few rows there are.
    IF EXISTS (SELECT FROM made t
                WHERE num_nulls((SELECT o.id FROM offers o WHERE o.id = t.offer),
                                (SELECT k.id FROM signing_keys k WHERE k.id = t.buyer_key AND k.account = t.buyer),
                                (SELECT k.id FROM signing_keys k WHERE k.id = t.seller_key AND k.account = t.seller),
                                (SELECT k.id FROM signing_keys k
                                  WHERE k.id = t.arbitrator_key AND k.account = t.arbitrator)) > 0) THEN
        RAISE EXCEPTION 'a trade names what is not there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'a_trade_names_what_is_there', TABLE = 'trades';
    END IF;
    INSERT INTO arbitrator_exposure AS kept (arbitrator, slot, sat)
    SELECT arbitrator, 32 + pg_backend_pid() % 32, sum(deposit_sat) FROM made
     WHERE stage NOT IN ('completed', 'cancelled') GROUP BY arbitrator ORDER BY arbitrator
    ON CONFLICT (arbitrator, slot) DO UPDATE SET sat = kept.sat + excluded.sat;
    RETURN NULL;
END $$;
