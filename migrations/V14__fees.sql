CREATE TABLE fee_estimates (
    target_blocks  integer PRIMARY KEY CONSTRAINT a_target_is_within_a_week CHECK (target_blocks BETWEEN 1 AND 1008),
    sat_per_kwu    bigint NOT NULL CONSTRAINT an_estimate_is_a_fee CHECK (sat_per_kwu > 0),
    told_at        timestamptz NOT NULL
);
COMMENT ON TABLE fee_estimates IS 'What the node last said a transaction must pay to be mined within so many blocks.';
COMMENT ON COLUMN fee_estimates.sat_per_kwu IS 'Satoshis per 1000 weight units: 250 are 1 sat/vB.';

CREATE TABLE handovers (
    trade         uuid NOT NULL REFERENCES trades (id),
    txid          bytea NOT NULL CHECK (octet_length(txid) = 32),
    what          text NOT NULL CONSTRAINT handover_is_known CHECK (what IN ('payout', 'stray', 'child')),
    height        integer NOT NULL CHECK (height >= 0),
    attempts      integer NOT NULL CHECK (attempts > 0),
    first_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,
    taken_at      timestamptz,
    refusal       text,
    next_at       timestamptz,
    PRIMARY KEY (trade, txid),
    CONSTRAINT a_next_attempt_follows_a_refusal CHECK (next_at IS NULL OR refusal IS NOT NULL),
    CONSTRAINT taken_or_refused CHECK (taken_at IS NOT NULL OR refusal IS NOT NULL)
);
COMMENT ON TABLE handovers IS 'Every transaction that was handed to the network for a trade, and what the node said of it the last time.';
COMMENT ON COLUMN handovers.height IS 'The tip when it was first handed over: from there its blocks of waiting are counted.';
COMMENT ON COLUMN handovers.refusal IS 'The node''s own reason, if the last attempt was refused; null if it was taken.';
COMMENT ON COLUMN handovers.next_at IS 'When the desk tries again by itself.';

CREATE TABLE children (
    txid        bytea PRIMARY KEY CHECK (octet_length(txid) = 32),
    trade       uuid NOT NULL REFERENCES trades (id),
    parent      bytea NOT NULL CHECK (octet_length(parent) = 32),
    vout        integer NOT NULL CHECK (vout >= 0),
    party       text NOT NULL CHECK (party IN ('buyer', 'seller')),
    raw         bytea NOT NULL CONSTRAINT a_child_is_small CHECK (octet_length(raw) <= 131072),
    fee_sat     bigint NOT NULL CHECK (fee_sat > 0),
    brought_at  timestamptz NOT NULL
);
CREATE INDEX children_of_a_trade ON children (trade);
COMMENT ON TABLE children IS 'Signed transactions that spend an output of a payout to pay for both (child pays for parent); brought by who owns the output.';
