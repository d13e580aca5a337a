CREATE TABLE outbox (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    trade       uuid REFERENCES trades (id),
    payload     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    last_error  text,
    done_at     timestamptz
);
CREATE INDEX outbox_to_do ON outbox (due_at) WHERE done_at IS NULL;
COMMENT ON TABLE outbox IS 'What must leave the building: written in the transaction that causes it, done by jobs that are safe to run twice.';
