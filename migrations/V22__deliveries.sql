-- Mails and webhooks: where they go, and what became of each.

ALTER TABLE notice_channels
    ADD COLUMN target_sealed bytea,
    ADD COLUMN secret_sealed bytea,
    ADD COLUMN nonce bytea,
    ADD COLUMN confirmed_at timestamptz,
    ADD COLUMN stopped_why text,
    ADD CONSTRAINT a_mail_or_a_webhook_goes_somewhere CHECK ((channel = 'feed') = (target_sealed IS NULL)),
    ADD CONSTRAINT a_webhook_has_a_secret CHECK ((channel = 'hook') = (secret_sealed IS NOT NULL)),
    ADD CONSTRAINT what_stopped_is_not_sent_to CHECK (stopped_why IS NULL OR confirmed_at IS NULL);
COMMENT ON COLUMN notice_channels.target_sealed IS 'The mail address, or the webhook''s address, encrypted with the desk''s data key.';
COMMENT ON COLUMN notice_channels.secret_sealed IS 'The key that signs webhooks, encrypted with the desk''s data key.';
COMMENT ON COLUMN notice_channels.nonce IS 'What the token of a mail address''s confirmation is made from, with the desk''s key; token_hash is that token''s.';
COMMENT ON COLUMN notice_channels.confirmed_at IS 'From here on it is sent to: the mail address was confirmed, the webhook was set up.';
COMMENT ON COLUMN notice_channels.stopped_why IS 'Why nothing is sent any more, if the receiver said so.';

CREATE TABLE deliveries (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account       uuid NOT NULL REFERENCES accounts (id),
    channel       text NOT NULL CONSTRAINT only_mails_and_webhooks_are_sent CHECK (channel IN ('mail', 'hook')),
    notice        uuid REFERENCES notices (id),
    purpose       text NOT NULL CONSTRAINT purpose_is_known CHECK (purpose IN ('notice', 'test', 'confirmation')),
    state         text NOT NULL DEFAULT 'waiting' CONSTRAINT delivery_state_is_known
                  CHECK (state IN ('waiting', 'sent', 'failed', 'dropped')),
    attempts      integer NOT NULL DEFAULT 0,
    again         boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    leased_until  timestamptz,
    tried_at      timestamptz,
    outcome       text NOT NULL DEFAULT '',
    CONSTRAINT a_notice_goes_each_way_once UNIQUE (notice, channel),
    CONSTRAINT a_notice_delivers_a_notice CHECK ((purpose = 'notice') = (notice IS NOT NULL))
);
CREATE INDEX deliveries_to_do ON deliveries (channel, due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_an_account ON deliveries (account, created_at DESC);
COMMENT ON TABLE deliveries IS 'The outbox of mails and webhooks: a row is written with its notice, and sent by jobs that are safe to run twice. Its id is the receiver''s to know one from another.';
COMMENT ON COLUMN deliveries.leased_until IS 'A server sends it now; if it dies over it, another one does after this.';
COMMENT ON COLUMN deliveries.outcome IS 'What came of the last try, in words for its owner.';
