-- Backups and what follows from going back to one.

CREATE TABLE numbering_floors (
    public_key  bytea PRIMARY KEY CHECK (octet_length(public_key) IN (0, 33)),
    floor       integer NOT NULL CHECK (floor >= 100)
);
COMMENT ON TABLE numbering_floors IS 'Since a restore: the lowest index N (of a trader''s key) or level P (of an arbitrator''s) that may still be given. What was given after the backup is not known any more, and no index is given twice.';
COMMENT ON COLUMN numbering_floors.public_key IS 'Empty: every key that the restored desk did not know.';

CREATE TABLE restores (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    last_seen  timestamptz
);
COMMENT ON TABLE restores IS 'Each time the desk found itself in another database than before: it was restored from a backup.';
COMMENT ON COLUMN restores.last_seen IS 'When the desk of the backup last said that it ran: what people did since is lost.';

ALTER TABLE desk_state ADD COLUMN home text;
COMMENT ON COLUMN desk_state.home IS 'The numbers of the database and of this very table. Others mean that this is a restored copy, however it came here.';
