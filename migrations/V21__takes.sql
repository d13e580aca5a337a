-- Takes are written many at a time, so what is checked and kept beside a trade is done once for all of them.

-- What a trade names was held or read in the transaction that makes it, is never removed and never gets another id. Seven
-- foreign keys looked each of them up for each trade, and wrote a lock to each row that nobody could remove anyway. In
-- their place: one look for all new trades, no trade ever names anything else, and nothing that a trade names goes. The
-- accounts are there because their keys are, the arbitrator because arbitrator_exposure names him.
CREATE FUNCTION begin_trades() RETURNS trigger LANGUAGE plpgsql AS $$
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
    SELECT arbitrator, pg_backend_pid() % 64, sum(deposit_sat) FROM made
     WHERE stage NOT IN ('completed', 'cancelled') GROUP BY arbitrator ORDER BY arbitrator
    ON CONFLICT (arbitrator, slot) DO UPDATE SET sat = kept.sat + excluded.sat;
    RETURN NULL;
END $$;
CREATE TRIGGER trades_begin AFTER INSERT ON trades
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION begin_trades();
DROP TRIGGER trades_keep_exposure ON trades;
CREATE TRIGGER trades_keep_exposure AFTER UPDATE OF stage, deposit_sat ON trades
    FOR EACH ROW EXECUTE FUNCTION keep_exposure();

CREATE FUNCTION refuse_to_forget() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'trades name this for ever' USING ERRCODE = 'foreign_key_violation'; END $$;
CREATE TRIGGER trades_name_the_same_for_ever
    BEFORE UPDATE OF id, offer, buyer, seller, arbitrator, buyer_key, seller_key, arbitrator_key ON trades
    FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER trades_stay BEFORE DELETE OR TRUNCATE ON trades EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER offers_stay BEFORE DELETE OR TRUNCATE ON offers EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER offers_keep_their_id BEFORE UPDATE OF id ON offers EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER accounts_stay BEFORE DELETE OR TRUNCATE ON accounts EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER accounts_keep_their_id BEFORE UPDATE OF id ON accounts EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER arbitrators_stay BEFORE DELETE OR TRUNCATE ON arbitrators EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER arbitrators_keep_their_account BEFORE UPDATE OF account ON arbitrators EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER signing_keys_stay BEFORE DELETE OR TRUNCATE ON signing_keys EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER signing_keys_keep_their_id BEFORE UPDATE OF id, account ON signing_keys EXECUTE FUNCTION refuse_to_forget();
ALTER TABLE trades
    DROP CONSTRAINT trades_offer_fkey, DROP CONSTRAINT trades_buyer_fkey, DROP CONSTRAINT trades_seller_fkey,
    DROP CONSTRAINT trades_arbitrator_fkey, DROP CONSTRAINT trades_buyer_key_fkey,
    DROP CONSTRAINT trades_seller_key_fkey, DROP CONSTRAINT trades_arbitrator_key_fkey;

-- A contract names its trade's reference, of which there is one: two trades cannot have the same contract.
ALTER TABLE trades DROP CONSTRAINT one_trade_per_contract;
-- Nothing asks for the trades of an offer; the index served the foreign key.
DROP INDEX trades_of_an_offer;

-- A trade's row has some five thousand bytes, most of them its contract. They stay together in one page: compressing them
-- takes as long as all else of writing the row.
ALTER TABLE trades SET (toast_tuple_target = 8160);
-- Room for the next version of a row in its own page, where most changes touch no index.
ALTER TABLE offers SET (fillfactor = 80);
ALTER TABLE board_versions SET (fillfactor = 50);
ALTER TABLE arbitrator_exposure SET (fillfactor = 50);
