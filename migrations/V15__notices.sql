-- Being told: what each account is told of its trades, when of a window, and at which secret address a feed reads it.

ALTER TABLE deadlines
    ADD COLUMN half_at timestamptz,
    ADD COLUMN ninety_at timestamptz,
    ADD COLUMN reminded integer NOT NULL DEFAULT 0 CONSTRAINT reminders_are_at_half_and_nine_tenths CHECK (reminded IN (0, 50, 90));
ALTER TABLE deadlines ADD COLUMN remind_at timestamptz GENERATED ALWAYS AS
    (CASE WHEN reminded < 50 THEN coalesce(half_at, ninety_at) WHEN reminded < 90 THEN ninety_at END) STORED;
CREATE INDEX deadlines_by_reminder ON deadlines (remind_at);
COMMENT ON COLUMN deadlines.half_at IS 'When half of the window is over, in the one clock; null if that is not in it.';
COMMENT ON COLUMN deadlines.reminded IS 'Hundredths of this window that its reminder was told at last.';

CREATE TABLE notices (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account     uuid NOT NULL REFERENCES accounts (id),
    trade       uuid NOT NULL REFERENCES trades (id),
    cause       text NOT NULL,
    kinds       text[] NOT NULL CONSTRAINT a_notice_is_about_something CHECK (cardinality(kinds) > 0),
    turn        text NOT NULL CONSTRAINT turn_is_known CHECK (turn IN ('yours', 'theirs', 'open', 'nobody')),
    what        text,
    until_at    timestamptz,
    over        integer NOT NULL DEFAULT 0,
    own         boolean NOT NULL DEFAULT false,
    at          timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    CONSTRAINT each_thing_is_told_once UNIQUE (trade, account, cause),
    CONSTRAINT an_end_belongs_to_a_window CHECK ((what IS NULL) = (until_at IS NULL))
);
CREATE INDEX notices_of_an_account ON notices (account, at DESC);
COMMENT ON TABLE notices IS 'What an account is told of a trade: written with what causes it. No names, no sums, nothing of what was said.';
COMMENT ON COLUMN notices.cause IS 'What it is told for: the trade''s version, a window''s half, or the last message that was read before.';
COMMENT ON COLUMN notices.over IS 'Hundredths of the window that were over, for a reminder.';
COMMENT ON COLUMN notices.own IS 'It follows from what this account did itself: it waits in the feed, nothing is sent.';

CREATE TABLE notice_channels (
    account     uuid NOT NULL REFERENCES accounts (id),
    channel     text NOT NULL CONSTRAINT channel_is_known CHECK (channel IN ('feed', 'mail', 'hook')),
    kinds       text[] NOT NULL,
    token_hash  bytea CONSTRAINT one_account_per_feed UNIQUE CHECK (octet_length(token_hash) = 32),
    made_at     timestamptz NOT NULL,
    PRIMARY KEY (account, channel)
);
COMMENT ON TABLE notice_channels IS 'The ways in which an account is told, and of what.';
COMMENT ON COLUMN notice_channels.token_hash IS 'SHA-256 of the token in the feed''s secret address.';
