CREATE TABLE trades (
    id                uuid PRIMARY KEY,
    reference         text NOT NULL CONSTRAINT one_trade_per_reference UNIQUE,
    version           bigint NOT NULL DEFAULT 0,
    stage             text NOT NULL CONSTRAINT stage_is_known CHECK (stage IN
                      ('proposed', 'awaiting_deposit', 'funded', 'payment_sent', 'refund_due', 'disputed', 'ruled',
                       'paying_out', 'completed', 'cancelled')),
    state             jsonb NOT NULL,
    outcome           text CONSTRAINT outcome_is_known CHECK (outcome IN ('released', 'refunded', 'split', 'other', 'lost')),
    offer             uuid NOT NULL REFERENCES offers (id),
    maker             text NOT NULL CHECK (maker IN ('buyer', 'seller')),
    buyer             uuid NOT NULL REFERENCES accounts (id),
    seller            uuid NOT NULL REFERENCES accounts (id),
    arbitrator        uuid NOT NULL REFERENCES arbitrators (account),
    buyer_key         uuid NOT NULL REFERENCES signing_keys (id),
    seller_key        uuid NOT NULL REFERENCES signing_keys (id),
    arbitrator_key    uuid NOT NULL REFERENCES signing_keys (id),
    amount_sat        bigint NOT NULL CHECK (amount_sat > 0),
    deposit_sat       bigint NOT NULL,
    fiat              numeric NOT NULL CHECK (fiat > 0),
    currency          text NOT NULL,
    method            text NOT NULL,
    contract_text     text NOT NULL CHECK (octet_length(contract_text) <= 16384),
    contract_hash     bytea NOT NULL CONSTRAINT one_trade_per_contract UNIQUE CHECK (octet_length(contract_hash) = 32),
    script_pubkey     bytea NOT NULL CONSTRAINT one_trade_per_escrow UNIQUE,
    address           text NOT NULL,
    payee_sealed      bytea NOT NULL,
    payer_sealed      bytea NOT NULL,
    turn              text[] NOT NULL DEFAULT '{}',
    payout_txid       bytea CHECK (octet_length(payout_txid) = 32),
    created_at        timestamptz NOT NULL,
    stage_since       timestamptz NOT NULL,
    CONSTRAINT outcome_iff_completed CHECK ((outcome IS NOT NULL) = (stage = 'completed')),
    CONSTRAINT payout_txid_iff_a_payout_left CHECK (stage NOT IN ('paying_out') OR payout_txid IS NOT NULL),
    CONSTRAINT nobody_trades_alone CHECK (buyer <> seller AND arbitrator <> buyer AND arbitrator <> seller),
    CONSTRAINT three_keys_are_three CHECK (buyer_key <> seller_key AND arbitrator_key NOT IN (buyer_key, seller_key)),
    CONSTRAINT deposit_covers_the_amount CHECK (deposit_sat >= amount_sat),
    CONSTRAINT state_has_the_same_stage CHECK (state ->> 'stage' = stage)
);
CREATE INDEX trades_of_a_buyer ON trades (buyer, created_at DESC);
CREATE INDEX trades_of_a_seller ON trades (seller, created_at DESC);
CREATE INDEX trades_of_an_arbitrator ON trades (arbitrator, created_at DESC);
CREATE INDEX trades_of_an_offer ON trades (offer);
COMMENT ON TABLE trades IS 'One row per trade. stage is the stage; state is the whole of domain::Trade, which one function changes.';
COMMENT ON COLUMN trades.contract_text IS 'The exact bytes that contract_hash is the SHA-256 of.';
COMMENT ON COLUMN trades.turn IS 'Who must act now (buyer, seller, arbitrator), as domain::Trade::turn says; empty when only clock or chain can.';
COMMENT ON COLUMN trades.payee_sealed IS 'The seller''s payment details with their salt, encrypted with the desk''s data key.';
COMMENT ON COLUMN trades.payer_sealed IS 'The buyer''s payer name and account with their salt, encrypted with the desk''s data key.';

ALTER TABLE key_uses ADD CONSTRAINT key_uses_name_a_trade FOREIGN KEY (trade) REFERENCES trades (id) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE trade_events (
    trade       uuid NOT NULL REFERENCES trades (id),
    version     bigint NOT NULL,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    account     uuid REFERENCES accounts (id),
    event       text,
    act         text NOT NULL,
    stage_from  text,
    stage_to    text NOT NULL,
    previous    bytea NOT NULL CHECK (octet_length(previous) = 32),
    hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (trade, version)
);
COMMENT ON TABLE trade_events IS 'Append-only, hash-chained: replaying the acts of a trade gives its row.';
COMMENT ON COLUMN trade_events.act IS 'What was done (JSON, exact text: the hash is over it). The first is the taking itself, with the whole state.';
COMMENT ON COLUMN trade_events.event IS 'The event of the lifecycle table, null for a change of a field within a stage.';
COMMENT ON COLUMN trade_events.hash IS 'SHA-256 over previous and the canonical text of this row.';

CREATE FUNCTION refuse_to_change_history() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'history is append-only'; END $$;
CREATE TRIGGER trade_events_are_append_only BEFORE UPDATE OR DELETE ON trade_events
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history();
CREATE TRIGGER public_log_is_append_only BEFORE UPDATE OR DELETE ON public_log
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history();

CREATE TABLE deadlines (
    trade       uuid NOT NULL REFERENCES trades (id),
    what        text NOT NULL,
    who         text NOT NULL,
    started_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    at_zero     text NOT NULL,
    PRIMARY KEY (trade, what)
);
CREATE INDEX deadlines_by_time ON deadlines (due_at);
COMMENT ON TABLE deadlines IS 'The windows that run now, rewritten with each change of their trade: countdowns, reminders and the job that fires.';

CREATE SEQUENCE fee_addresses;
COMMENT ON SEQUENCE fee_addresses IS 'The index of the next address for fees under the desk''s watch-only xpub: a fresh one per trade.';
