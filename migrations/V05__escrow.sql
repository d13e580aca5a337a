CREATE TABLE chain_cursor (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    cursor   text NOT NULL,
    height   integer NOT NULL,
    hash     bytea NOT NULL,
    tip_at   timestamptz NOT NULL,
    seen_at  timestamptz NOT NULL
);
COMMENT ON TABLE chain_cursor IS 'How far the watcher has read the chain.';
COMMENT ON COLUMN chain_cursor.tip_at IS 'The time in the tip''s header; seen_at is when the desk last heard from its node.';

CREATE TABLE deposits (
    txid          bytea NOT NULL CHECK (octet_length(txid) = 32),
    vout          integer NOT NULL CHECK (vout >= 0),
    trade         uuid NOT NULL REFERENCES trades (id),
    amount_sat    bigint NOT NULL CHECK (amount_sat >= 0),
    coinbase      boolean NOT NULL,
    raw           bytea NOT NULL,
    seen_at       timestamptz NOT NULL,
    block_hash    bytea,
    block_height  integer,
    funding       boolean NOT NULL DEFAULT false,
    gone_at       timestamptz,
    spent_by      bytea,
    spent_height  integer,
    PRIMARY KEY (txid, vout),
    CONSTRAINT a_block_has_hash_and_height CHECK ((block_hash IS NULL) = (block_height IS NULL)),
    CONSTRAINT a_spend_has_a_transaction CHECK (spent_height IS NULL OR spent_by IS NOT NULL)
);
CREATE INDEX deposits_of_a_trade ON deposits (trade);
CREATE INDEX deposits_by_block ON deposits (block_height);
COMMENT ON TABLE deposits IS 'Every output ever seen at an escrow address. Nothing is removed; gone_at says that a transaction vanished.';
COMMENT ON COLUMN deposits.funding IS 'In the funding set: fixed when the trade became funded. Every other output is a stray.';

CREATE TABLE payouts (
    id              uuid PRIMARY KEY,
    trade           uuid NOT NULL REFERENCES trades (id),
    kind            text NOT NULL CONSTRAINT payout_kind_is_known CHECK (kind IN ('release', 'refund', 'settlement', 'ruling', 'stray')),
    steps           integer[] NOT NULL CONSTRAINT steps_are_known CHECK (steps <@ ARRAY[1, 2, 5] AND cardinality(steps) > 0),
    about           uuid,
    psbt            bytea NOT NULL,
    txid            bytea NOT NULL CHECK (octet_length(txid) = 32),
    fee_sat         bigint NOT NULL CHECK (fee_sat > 0),
    buyer_sat       bigint NOT NULL CHECK (buyer_sat >= 0),
    seller_sat      bigint NOT NULL CHECK (seller_sat >= 0),
    desk_sat        bigint NOT NULL CHECK (desk_sat >= 0),
    arbitrator_sat  bigint NOT NULL CHECK (arbitrator_sat >= 0),
    created_at      timestamptz NOT NULL,
    void_at         timestamptz,
    CONSTRAINT a_transaction_is_one_payout UNIQUE NULLS NOT DISTINCT (trade, txid, kind, about)
);
CREATE INDEX payouts_of_a_trade ON payouts (trade, kind);
COMMENT ON TABLE payouts IS 'The canonical PSBT of each payout and fee step. Signatures live beside it, never in it.';
COMMENT ON COLUMN payouts.steps IS 'The fee steps (x1, x2, x5 of the estimate) this transaction stands for; steps that come out equal are one.';
COMMENT ON COLUMN payouts.about IS 'The settlement or ruling it carries out.';
COMMENT ON COLUMN payouts.void_at IS 'No more signatures are asked for it (withdrawn, or the stage moved). Signatures given stay listed as alive.';

CREATE TABLE signatures (
    payout       uuid NOT NULL REFERENCES payouts (id),
    party        text NOT NULL CHECK (party IN ('buyer', 'seller', 'arbitrator')),
    signature    bytea NOT NULL CHECK (octet_length(signature) BETWEEN 10 AND 740),
    brought_by   uuid NOT NULL REFERENCES accounts (id),
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (payout, party),
    CONSTRAINT sighash_is_all CHECK (get_byte(signature, octet_length(signature) - 1) = 1)
);
COMMENT ON COLUMN signatures.signature IS 'One per input, in the order of the inputs: a length byte, then DER and the sighash byte.';
COMMENT ON TABLE signatures IS 'Verified signatures only, whoever brought them. A signature is an option for ever.';

CREATE TABLE contract_signatures (
    trade          uuid NOT NULL REFERENCES trades (id),
    party          text NOT NULL CHECK (party IN ('buyer', 'seller')),
    contract_hash  bytea NOT NULL,
    form           text NOT NULL CHECK (form IN ('bip322', 'dry-run')),
    psbt           bytea NOT NULL,
    received_at    timestamptz NOT NULL,
    PRIMARY KEY (trade, party, contract_hash)
);
COMMENT ON TABLE contract_signatures IS 'Each trader''s signature of the contract: the signed message PSBT.';

CREATE TABLE settlements (
    id            uuid PRIMARY KEY,
    trade         uuid NOT NULL REFERENCES trades (id),
    proposer      text NOT NULL CHECK (proposer IN ('buyer', 'seller')),
    buyer_sat     bigint NOT NULL CHECK (buyer_sat >= 0),
    seller_sat    bigint NOT NULL CHECK (seller_sat >= 0),
    note          text NOT NULL DEFAULT '',
    proposed_at   timestamptz NOT NULL,
    accepted_at   timestamptz,
    withdrawn_at  timestamptz,
    lapsed_at     timestamptz,
    CONSTRAINT an_accepted_settlement_binds CHECK (accepted_at IS NULL OR (withdrawn_at IS NULL AND lapsed_at IS NULL))
);
CREATE UNIQUE INDEX one_accepted_settlement_per_trade ON settlements (trade) WHERE accepted_at IS NOT NULL;
CREATE UNIQUE INDEX one_live_proposal_per_side ON settlements (trade, proposer)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL AND lapsed_at IS NULL;
COMMENT ON TABLE settlements IS 'Splits the traders propose to each other; amounts are satoshis before the miner fee.';
