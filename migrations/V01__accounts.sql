CREATE TABLE accounts (
    id             uuid PRIMARY KEY,
    name           text NOT NULL CONSTRAINT one_account_per_name UNIQUE,
    skeleton       text NOT NULL CONSTRAINT look_alike_names_are_one UNIQUE,
    role           text NOT NULL CONSTRAINT role_is_known CHECK (role IN ('trader', 'arbitrator', 'operator')),
    password_hash  text NOT NULL,
    recovery_hash  bytea,
    unit           text NOT NULL DEFAULT 'btc' CONSTRAINT unit_is_known CHECK (unit IN ('btc', 'sat')),
    created_at     timestamptz NOT NULL,
    suspended_at   timestamptz,
    suspended_why  text,
    CONSTRAINT name_is_plain CHECK (name ~ '^[a-z0-9_-]{3,20}$'),
    CONSTRAINT suspension_has_a_reason CHECK ((suspended_at IS NULL) = (suspended_why IS NULL))
);
COMMENT ON TABLE accounts IS 'People of the desk. A name and a password; no mail address, no real name.';
COMMENT ON COLUMN accounts.skeleton IS 'The name with look-alikes folded: two names with the same skeleton are one.';
COMMENT ON COLUMN accounts.password_hash IS 'Argon2id in PHC form.';
COMMENT ON COLUMN accounts.recovery_hash IS 'SHA-256 of the recovery code (160 random bits), shown once.';

CREATE TABLE sessions (
    id          uuid PRIMARY KEY,
    account     uuid NOT NULL REFERENCES accounts (id),
    token_hash  bytea NOT NULL CONSTRAINT one_session_per_token UNIQUE CHECK (octet_length(token_hash) = 32),
    agent       text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX sessions_of_an_account ON sessions (account, seen_at DESC);
COMMENT ON TABLE sessions IS 'Signed-in browsers. Ended sessions are deleted.';
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the cookie''s token; the token itself is nowhere.';

CREATE TABLE invitations (
    code_hash   bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    created_at  timestamptz NOT NULL,
    used_by     uuid REFERENCES accounts (id),
    used_at     timestamptz,
    CONSTRAINT used_by_someone_at_some_time CHECK ((used_by IS NULL) = (used_at IS NULL))
);
COMMENT ON TABLE invitations IS 'Codes that let one person register where registration is by invitation.';

CREATE TABLE throttles (
    bucket       text PRIMARY KEY,
    tokens       double precision NOT NULL,
    refilled_at  timestamptz NOT NULL
);
COMMENT ON TABLE throttles IS 'Token buckets per account or address and act, so that several servers count together.';

CREATE TABLE desk_state (
    one            boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_desk CHECK (one),
    network        text NOT NULL,
    paused_at      timestamptz,
    paused_why     text
);
COMMENT ON TABLE desk_state IS 'The one row of facts about the desk itself. network is written at first start and never changes.';

CREATE TABLE public_log (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    kind    text NOT NULL,
    entry   jsonb NOT NULL
);
COMMENT ON TABLE public_log IS 'Draws, rulings, appointments: what anyone may check. Accounts appear as salted hashes.';
