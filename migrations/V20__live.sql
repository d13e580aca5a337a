-- Pages that live: what has news, and who is there. Both tables are hints that nothing depends on: what a page shows is
-- read from the tables of the trade, by position. So they are unlogged, and reference nothing, for a reference would wait
-- for whoever holds the trade.

CREATE UNLOGGED TABLE room_news (
    trade  uuid,
    what   text NOT NULL CONSTRAINT news_is_known CHECK (what IN ('said', 'changed', 'tip'))
);
COMMENT ON TABLE room_news IS 'The outbox of open pages: a row for each change a page of a trade could show, written in its transaction. A notifier of each server takes the rows after the commit and tells all servers; none is kept.';
COMMENT ON COLUMN room_news.trade IS 'Null: every trade, because the chain moved or went out of sight.';
COMMENT ON COLUMN room_news.what IS 'said: the room, who has read and who is there; changed: the page beside it; tip: what counts blocks.';

CREATE UNLOGGED TABLE room_presence (
    trade    uuid NOT NULL,
    account  uuid NOT NULL,
    until    timestamptz NOT NULL,
    PRIMARY KEY (trade, account)
);
COMMENT ON TABLE room_presence IS 'Who has the page of a trade open and in sight; renewed by the server it is open at, else over in seconds.';

ALTER TABLE accounts ADD COLUMN shows_presence boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN accounts.shows_presence IS 'Whether the others of a trade are told that its page is open here.';

CREATE FUNCTION tell_the_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO room_news VALUES (NEW.trade, TG_ARGV[0]); RETURN NULL; END $$;
CREATE FUNCTION tell_the_room_of_a_trade() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO room_news VALUES (NEW.id, 'changed'); RETURN NULL; END $$;
CREATE FUNCTION tell_the_room_of_a_signature() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO room_news SELECT p.trade, 'changed' FROM payouts p WHERE p.id = NEW.payout; RETURN NULL; END $$;
CREATE FUNCTION tell_the_room_of_a_dispute() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO room_news SELECT d.trade, 'changed' FROM disputes d WHERE d.id = NEW.dispute; RETURN NULL; END $$;
CREATE FUNCTION tell_every_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO room_news VALUES (NULL, TG_ARGV[0]); RETURN NULL; END $$;

-- An event of the room comes with a change of its trade or of a table below; a take, which nobody can watch yet, tells nothing.
CREATE TRIGGER what_is_said_is_news AFTER INSERT ON messages
    FOR EACH ROW WHEN (NEW.account IS NOT NULL) EXECUTE FUNCTION tell_the_room('said');
CREATE TRIGGER what_is_read_is_news AFTER INSERT OR UPDATE ON room_reads
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('said');
CREATE TRIGGER who_comes_is_news AFTER INSERT ON room_presence
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('said');
CREATE TRIGGER who_comes_again_is_news AFTER UPDATE ON room_presence
    FOR EACH ROW WHEN (OLD.until < statement_timestamp()) EXECUTE FUNCTION tell_the_room('said');
CREATE TRIGGER a_change_is_news AFTER UPDATE ON trades
    FOR EACH ROW EXECUTE FUNCTION tell_the_room_of_a_trade();
CREATE TRIGGER a_deposit_is_news AFTER INSERT OR UPDATE ON deposits
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('changed');
CREATE TRIGGER a_signature_is_news AFTER INSERT ON signatures
    FOR EACH ROW EXECUTE FUNCTION tell_the_room_of_a_signature();
CREATE TRIGGER a_settlement_is_news AFTER INSERT OR UPDATE ON settlements
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('changed');
CREATE TRIGGER a_dispute_is_news AFTER INSERT OR UPDATE ON disputes
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('changed');
CREATE TRIGGER a_statement_is_news AFTER INSERT ON statements
    FOR EACH ROW EXECUTE FUNCTION tell_the_room_of_a_dispute();
CREATE TRIGGER a_changed_contract_is_news AFTER INSERT OR UPDATE ON contracts
    FOR EACH ROW WHEN (NEW.number > 0) EXECUTE FUNCTION tell_the_room('changed');
CREATE TRIGGER a_handover_is_news AFTER INSERT OR UPDATE ON handovers
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('changed');
CREATE TRIGGER a_child_is_news AFTER INSERT OR UPDATE ON children
    FOR EACH ROW EXECUTE FUNCTION tell_the_room('changed');
CREATE TRIGGER a_block_is_news AFTER UPDATE ON chain_cursor
    FOR EACH ROW WHEN (OLD.hash IS DISTINCT FROM NEW.hash) EXECUTE FUNCTION tell_every_room('tip');
CREATE TRIGGER trouble_is_news AFTER INSERT ON chain_trouble
    FOR EACH ROW EXECUTE FUNCTION tell_every_room('changed');
CREATE TRIGGER the_end_of_trouble_is_news AFTER DELETE ON chain_trouble
    FOR EACH ROW EXECUTE FUNCTION tell_every_room('changed');
