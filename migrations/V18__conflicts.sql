CREATE TABLE conflicts (
    trade        uuid PRIMARY KEY REFERENCES trades (id),
    arbitrator   uuid NOT NULL REFERENCES arbitrators (account),
    with_buyer   boolean NOT NULL,
    with_seller  boolean NOT NULL,
    why          text NOT NULL CHECK (why <> ''),
    at           timestamptz NOT NULL,
    CONSTRAINT a_conflict_is_with_somebody CHECK (with_buyer OR with_seller)
);
CREATE INDEX conflicts_of_an_arbitrator ON conflicts (arbitrator);
COMMENT ON TABLE conflicts IS 'Conflicts of interest that arbitrators declared: once per trade, never taken back. Nobody draws them again for whom it is with.';
CREATE TRIGGER conflicts_are_append_only BEFORE UPDATE OR DELETE ON conflicts
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history();
