CREATE TABLE signing_keys (
    id              uuid PRIMARY KEY,
    account         uuid NOT NULL REFERENCES accounts (id),
    kind            text NOT NULL CONSTRAINT key_kind_is_known CHECK (kind IN ('browser', 'wallet')),
    text            text NOT NULL,
    fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 4),
    account_number  integer NOT NULL CHECK (account_number >= 0),
    public_key      bytea NOT NULL CHECK (octet_length(public_key) = 33),
    chain_code      bytea NOT NULL CHECK (octet_length(chain_code) = 32),
    key_file        text,
    created_at      timestamptz NOT NULL,
    proved_at       timestamptz,
    displaced_at    timestamptz,
    retired_at      timestamptz,
    CONSTRAINT browser_keys_have_a_file CHECK ((kind = 'browser') = (key_file IS NOT NULL)),
    CONSTRAINT key_file_is_small CHECK (octet_length(key_file) <= 4096),
    CONSTRAINT a_proved_key_is_not_displaced CHECK (proved_at IS NULL OR displaced_at IS NULL)
);
CREATE UNIQUE INDEX a_proved_key_belongs_to_one_account ON signing_keys (public_key, chain_code) WHERE proved_at IS NOT NULL;
CREATE UNIQUE INDEX a_key_is_registered_once_per_account ON signing_keys (account, public_key, chain_code);
CREATE INDEX keys_by_fingerprint ON signing_keys (fingerprint);
COMMENT ON TABLE signing_keys IS 'Account xpubs with origin. Never a private key: of a browser key only ciphertext is kept.';
COMMENT ON COLUMN signing_keys.text IS '[fingerprint/48''/coin''/account''/2'']xpub';
COMMENT ON COLUMN signing_keys.key_file IS 'The encrypted key file (JSON) as the browser made it.';
COMMENT ON COLUMN signing_keys.proved_at IS 'First valid signature; until then the key is a claim.';

CREATE TABLE key_uses (
    public_key  bytea NOT NULL CHECK (octet_length(public_key) = 33),
    n           integer NOT NULL CONSTRAINT n_ends_at_900 CHECK (n BETWEEN 0 AND 900),
    trade       uuid NOT NULL,
    PRIMARY KEY (public_key, n)
);
COMMENT ON TABLE key_uses IS 'Every index N a trader key was ever given, cancelled trades included. A row is never removed.';

CREATE TABLE arbitrators (
    account             uuid PRIMARY KEY REFERENCES accounts (id),
    contact             text NOT NULL DEFAULT '',
    exposure_limit_sat  bigint NOT NULL CHECK (exposure_limit_sat > 0),
    appointed_at        timestamptz NOT NULL,
    dismissed_at        timestamptz,
    key                 uuid REFERENCES signing_keys (id),
    record_text         text,
    record_hash         bytea CHECK (octet_length(record_hash) = 32),
    drilled_at          timestamptz,
    drill               bytea,
    CONSTRAINT a_record_needs_a_key CHECK (record_text IS NULL OR (key IS NOT NULL AND record_hash IS NOT NULL)),
    CONSTRAINT a_drill_needs_a_record CHECK (drilled_at IS NULL OR (record_text IS NOT NULL AND drill IS NOT NULL))
);
COMMENT ON TABLE arbitrators IS 'Who may rule, with the public record that contracts name. On duty while the drill is fresh.';
COMMENT ON COLUMN arbitrators.drill IS 'The signed dry-run ruling (PSBT) that proved the key.';

CREATE TABLE arbitrator_records (
    hash     bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    key      uuid NOT NULL REFERENCES signing_keys (id),
    text     text NOT NULL,
    made_at  timestamptz NOT NULL
);
COMMENT ON TABLE arbitrator_records IS 'Every public record ever made: contracts name them by hash for ever.';

CREATE TABLE arbitrator_levels (
    arbitrator_key  uuid NOT NULL REFERENCES signing_keys (id),
    key_low         bytea NOT NULL,
    key_high        bytea NOT NULL,
    p               integer NOT NULL CONSTRAINT p_is_below_4096 CHECK (p BETWEEN 0 AND 4095),
    PRIMARY KEY (arbitrator_key, p),
    CONSTRAINT one_level_per_pair_of_keys UNIQUE (arbitrator_key, key_low, key_high),
    CONSTRAINT a_pair_is_unordered CHECK (key_low < key_high)
);
COMMENT ON TABLE arbitrator_levels IS 'The extra level P: a serial number per arbitrator key and unordered pair of trader keys.';

CREATE TABLE pair_arbitrators (
    account_low   uuid NOT NULL REFERENCES accounts (id),
    account_high  uuid NOT NULL REFERENCES accounts (id),
    arbitrator    uuid NOT NULL REFERENCES arbitrators (account),
    drawn_at      timestamptz NOT NULL,
    PRIMARY KEY (account_low, account_high),
    CONSTRAINT a_pair_of_accounts_is_unordered CHECK (account_low < account_high)
);
COMMENT ON TABLE pair_arbitrators IS 'Drawn once per pair of accounts; the draw itself is in public_log.';

CREATE TABLE arbitrator_exclusions (
    account     uuid NOT NULL REFERENCES accounts (id),
    arbitrator  uuid NOT NULL REFERENCES arbitrators (account),
    PRIMARY KEY (account, arbitrator)
);
COMMENT ON TABLE arbitrator_exclusions IS 'Arbitrators a trader does not want; at most half of those on duty.';

CREATE TABLE draw_seeds (
    day          date PRIMARY KEY,
    sealed       bytea NOT NULL,
    revealed_at  timestamptz
);
COMMENT ON TABLE draw_seeds IS 'The seed of each day''s draws (UTC). Its SHA-256 is published the day before, itself the day after.';
COMMENT ON COLUMN draw_seeds.sealed IS 'Encrypted with the desk''s data key: who reads the database learns nothing of tomorrow''s draws.';
