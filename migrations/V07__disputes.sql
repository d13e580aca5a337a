CREATE TABLE disputes (
    id         uuid PRIMARY KEY,
    trade      uuid NOT NULL REFERENCES trades (id),
    opener     text NOT NULL CHECK (opener IN ('buyer', 'seller', 'clock')),
    reason     text NOT NULL,
    wanted     text NOT NULL CHECK (wanted IN ('release', 'refund', 'split', '')),
    opened_at  timestamptz NOT NULL,
    closed_at  timestamptz
);
CREATE UNIQUE INDEX one_open_dispute_per_trade ON disputes (trade) WHERE closed_at IS NULL;
COMMENT ON TABLE disputes IS 'A question put to the arbitrator.';

CREATE TABLE statements (
    id        uuid PRIMARY KEY,
    dispute   uuid NOT NULL REFERENCES disputes (id),
    party     text NOT NULL CHECK (party IN ('buyer', 'seller', 'arbitrator')),
    kind      text NOT NULL CHECK (kind IN ('statement', 'answer', 'evidence', 'question', 'objection')),
    body      text NOT NULL CHECK (char_length(body) <= 8000),
    fields    jsonb NOT NULL DEFAULT '{}',
    at        timestamptz NOT NULL
);
CREATE INDEX statements_of_a_dispute ON statements (dispute, at);
COMMENT ON TABLE statements IS 'What each side and the arbitrator said, in order; evidence fields as the payment method asks for them.';

CREATE TABLE rulings (
    id            uuid PRIMARY KEY,
    trade         uuid NOT NULL REFERENCES trades (id),
    dispute       uuid NOT NULL REFERENCES disputes (id),
    text          text NOT NULL CHECK (octet_length(text) <= 16384),
    hash          bytea NOT NULL CHECK (octet_length(hash) = 32),
    buyer_sat     bigint NOT NULL CHECK (buyer_sat >= 0),
    seller_sat    bigint NOT NULL CHECK (seller_sat >= 0),
    drafted_at    timestamptz NOT NULL,
    signed_psbt   bytea,
    signed_at     timestamptz,
    withdrawn_at  timestamptz,
    CONSTRAINT signed_at_with_signature CHECK ((signed_psbt IS NULL) = (signed_at IS NULL)),
    CONSTRAINT only_a_made_ruling_is_withdrawn CHECK (withdrawn_at IS NULL OR signed_at IS NOT NULL)
);
CREATE UNIQUE INDEX one_ruling_in_force ON rulings (trade) WHERE signed_at IS NOT NULL AND withdrawn_at IS NULL;
COMMENT ON TABLE rulings IS 'Drafts become rulings when the arbitrator signs their text as a message.';
