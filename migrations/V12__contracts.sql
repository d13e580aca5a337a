CREATE TABLE contracts (
    trade         uuid NOT NULL REFERENCES trades (id),
    number        integer NOT NULL CHECK (number >= 0),
    hash          bytea NOT NULL CONSTRAINT a_contract_has_one_trade UNIQUE CHECK (octet_length(hash) = 32),
    supersedes    bytea REFERENCES contracts (hash),
    kind          text NOT NULL CONSTRAINT amendment_kind_is_known CHECK (kind IN ('first', 'scale_down', 'waive', 'lengthen')),
    proposer      text CHECK (proposer IN ('buyer', 'seller')),
    text          text NOT NULL CHECK (octet_length(text) <= 16384),
    made_at       timestamptz NOT NULL,
    in_force_at   timestamptz,
    withdrawn_at  timestamptz,
    lapsed_at     timestamptz,
    PRIMARY KEY (trade, number),
    CONSTRAINT only_an_amendment_supersedes CHECK
        ((kind = 'first') = (supersedes IS NULL) AND (kind = 'first') = (proposer IS NULL) AND (kind = 'first') = (number = 0)),
    CONSTRAINT a_proposal_ends_once CHECK (num_nonnulls(in_force_at, withdrawn_at, lapsed_at) <= 1)
);
CREATE UNIQUE INDEX one_successor_per_contract ON contracts (supersedes) WHERE in_force_at IS NOT NULL;
CREATE UNIQUE INDEX one_live_amendment_per_trade ON contracts (trade)
    WHERE kind <> 'first' AND in_force_at IS NULL AND withdrawn_at IS NULL AND lapsed_at IS NULL;
COMMENT ON TABLE contracts IS 'Every contract of a trade from its first signature on: the first, those that superseded it, and proposals that came to nothing. The one in force also stands in trades.';
COMMENT ON COLUMN contracts.in_force_at IS 'When both signatures were in. A contract in force is superseded by the next one in force that names its hash.';

INSERT INTO contracts (trade, number, hash, kind, text, made_at, in_force_at)
SELECT id, 0, contract_hash, 'first', contract_text, created_at,
       (SELECT e.at FROM trade_events e WHERE e.trade = t.id AND e.event = 'contract_signed' LIMIT 1)
  FROM trades t;

ALTER TABLE contract_signatures ADD CONSTRAINT a_signature_is_for_a_contract
    FOREIGN KEY (contract_hash) REFERENCES contracts (hash);
