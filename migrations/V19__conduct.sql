-- How people treat one another: whom somebody does not trade with, what they say after a trade, and what the operator is
-- told.

CREATE TABLE blocks (
    account  uuid NOT NULL REFERENCES accounts (id),
    blocked  uuid NOT NULL REFERENCES accounts (id),
    at       timestamptz NOT NULL,
    PRIMARY KEY (account, blocked),
    CONSTRAINT nobody_blocks_himself CHECK (account <> blocked)
);
CREATE INDEX blocks_of_somebody ON blocks (blocked);
COMMENT ON TABLE blocks IS 'Whom an account does not trade with: neither can take the other''s offers. Running trades go on.';

CREATE TABLE feedback (
    trade   uuid NOT NULL REFERENCES trades (id),
    author  uuid NOT NULL REFERENCES accounts (id),
    about   uuid NOT NULL REFERENCES accounts (id),
    good    boolean NOT NULL,
    words   text NOT NULL DEFAULT '' CHECK (char_length(words) <= 200),
    at      timestamptz NOT NULL,
    PRIMARY KEY (trade, author),
    CONSTRAINT nobody_praises_himself CHECK (author <> about)
);
CREATE INDEX feedback_about ON feedback (about, at DESC);
CREATE INDEX feedback_of_a_pair ON feedback (author, about, at DESC);
COMMENT ON TABLE feedback IS 'What traders said of each other after a trade: once per trade, and once per pair in 30 days. Never edited.';

CREATE TABLE reports (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade      uuid NOT NULL REFERENCES trades (id),
    author     uuid NOT NULL REFERENCES accounts (id),
    reason     text NOT NULL CONSTRAINT report_reason_is_known CHECK (reason IN ('reversed', 'threat', 'identity', 'other')),
    words      text NOT NULL CHECK (char_length(words) BETWEEN 1 AND 2000),
    at         timestamptz NOT NULL,
    closed_at  timestamptz
);
CREATE UNIQUE INDEX one_open_report_per_author ON reports (trade, author) WHERE closed_at IS NULL;
COMMENT ON TABLE reports IS 'What traders told the operator about a trade. Part of the record; opens no stage, and the other side is not told.';
