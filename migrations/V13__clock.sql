-- One clock: working hours, calendars, and the times when no clock of the desk ran.

ALTER TABLE accounts ADD COLUMN hours jsonb;
COMMENT ON COLUMN accounts.hours IS 'Working hours as they go into the contracts of later takes; null: day and night.';

CREATE TABLE calendar_feeds (
    account     uuid PRIMARY KEY REFERENCES accounts (id),
    token_hash  bytea NOT NULL CONSTRAINT one_account_per_calendar UNIQUE CHECK (octet_length(token_hash) = 32),
    made_at     timestamptz NOT NULL
);
COMMENT ON TABLE calendar_feeds IS 'The secret address under which a calendar reads the deadlines of an account: SHA-256 of its token only.';

ALTER TABLE deadlines ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN deadlines.sequence IS 'The trade''s version when this end was set: calendars take the higher one for the newer.';

CREATE TABLE desk_beat (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    at   timestamptz NOT NULL
);
COMMENT ON TABLE desk_beat IS 'When any server of the desk last said that it runs. A long silence before the next word is an outage.';

CREATE TABLE outages (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    why       text NOT NULL CONSTRAINT outage_is_known CHECK (why IN ('desk', 'chain')),
    began_at  timestamptz NOT NULL,
    ended_at  timestamptz NOT NULL,
    CONSTRAINT an_outage_takes_time CHECK (ended_at > began_at)
);
CREATE INDEX outages_by_end ON outages (ended_at);
COMMENT ON TABLE outages IS 'When the desk did not run or could not see the chain. Windows that ran meanwhile are extended; trades.state has up to when.';
