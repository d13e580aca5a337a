ALTER TABLE chain_cursor ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN chain_cursor.epoch IS 'Raised by each server that takes over reading: whoever read in an older epoch writes nothing any more.';

ALTER TABLE trades ADD COLUMN made_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX trades_by_making ON trades (made_in);
COMMENT ON COLUMN trades.made_in IS 'The transaction that made the trade. Unlike a sequence it tells a reader what may still be under way: nothing below a snapshot''s xmin is.';

ALTER TABLE deposits ADD COLUMN spent_raw bytea;
CREATE INDEX deposits_by_spend ON deposits (spent_height);
CREATE INDEX deposits_that_wait ON deposits (trade) WHERE block_height IS NULL;
COMMENT ON COLUMN deposits.spent_raw IS 'The transaction that spends it, as it was last told: where the coins went.';

CREATE TABLE deposit_inputs (
    deposit       bytea NOT NULL CHECK (octet_length(deposit) = 32),
    txid          bytea NOT NULL CHECK (octet_length(txid) = 32),
    vout          bigint NOT NULL CHECK (vout >= 0),
    spent_by      bytea,
    spent_height  integer,
    PRIMARY KEY (deposit, txid, vout),
    CONSTRAINT a_spend_has_a_transaction CHECK (spent_height IS NULL OR spent_by IS NOT NULL)
);
CREATE INDEX deposit_inputs_by_place ON deposit_inputs (txid, vout);
CREATE INDEX deposit_inputs_by_spend ON deposit_inputs (spent_height);
CREATE INDEX deposit_inputs_by_spender ON deposit_inputs (spent_by);
CREATE INDEX deposits_by_spender ON deposits (spent_by);
COMMENT ON TABLE deposit_inputs IS 'What the transactions of deposits spend: whoever else spends it has undone the deposit.';
COMMENT ON COLUMN deposit_inputs.deposit IS 'The id of the transaction that made the deposit.';

CREATE INDEX outbox_of_a_trade ON outbox (trade) WHERE done_at IS NULL;
