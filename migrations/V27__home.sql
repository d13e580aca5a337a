-- What tells a desk that it is the one it was: its data key, and the PostgreSQL it lives in.

ALTER TABLE desk_state ADD COLUMN data_key_mark bytea
    CONSTRAINT a_mark_has_32_bytes CHECK (octet_length(data_key_mark) = 32);
COMMENT ON COLUMN desk_state.data_key_mark IS 'A keyed hash of the data key and its version, written at the first start that knows it. With another key the desk does not start: it could not read what it keeps.';
COMMENT ON COLUMN desk_state.home IS 'The numbers of the PostgreSQL cluster, of the database and of this very table. Others mean that this is a restored copy, however it came here; two numbers were written before the cluster''s was.';

-- What a restore writes beside the state is no news of a trade, and there may be very many.
DROP TRIGGER a_change_is_news ON trades;
CREATE TRIGGER a_change_is_news AFTER UPDATE ON trades
    FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION tell_the_room_of_a_trade();
