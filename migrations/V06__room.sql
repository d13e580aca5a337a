CREATE TABLE attachments (
    id             uuid PRIMARY KEY,
    trade          uuid NOT NULL REFERENCES trades (id),
    account        uuid NOT NULL REFERENCES accounts (id),
    upload_sha256  bytea NOT NULL CHECK (octet_length(upload_sha256) = 32),
    media_type     text NOT NULL CONSTRAINT pictures_are_png_or_jpeg CHECK (media_type IN ('image/png', 'image/jpeg')),
    width          integer NOT NULL CHECK (width > 0),
    height         integer NOT NULL CHECK (height > 0),
    sealed         bytea NOT NULL,
    created_at     timestamptz NOT NULL,
    CONSTRAINT a_picture_has_one_trade UNIQUE (id, trade)
);
CREATE INDEX attachments_of_a_trade ON attachments (trade);
COMMENT ON TABLE attachments IS 'Pictures, decoded and re-encoded by the desk, encrypted with its data key. The upload itself is not kept, only its hash.';

CREATE TABLE messages (
    number      bigint GENERATED ALWAYS AS IDENTITY,
    id          uuid PRIMARY KEY,
    trade       uuid NOT NULL REFERENCES trades (id),
    account     uuid REFERENCES accounts (id),
    body        text NOT NULL CHECK (char_length(body) <= 4000),
    attachment  uuid,
    at          timestamptz NOT NULL,
    CONSTRAINT a_picture_stays_in_its_room FOREIGN KEY (attachment, trade) REFERENCES attachments (id, trade),
    CONSTRAINT a_message_says_something CHECK (body <> '' OR attachment IS NOT NULL),
    CONSTRAINT system_events_are_words CHECK (account IS NOT NULL OR attachment IS NULL)
);
CREATE UNIQUE INDEX messages_of_a_trade ON messages (trade, number);
COMMENT ON TABLE messages IS 'The room of a trade. No account: a system event.';
COMMENT ON COLUMN messages.number IS 'Order in the room: given while the trade''s row is locked, so that a lower number never shows up later.';

CREATE TABLE room_reads (
    trade    uuid NOT NULL REFERENCES trades (id),
    account  uuid NOT NULL REFERENCES accounts (id),
    number   bigint NOT NULL,
    PRIMARY KEY (trade, account)
);
COMMENT ON TABLE room_reads IS 'Up to which message someone has read.';
