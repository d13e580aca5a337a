CREATE TABLE payment_accounts (
    id          uuid PRIMARY KEY,
    account     uuid NOT NULL REFERENCES accounts (id),
    method      text NOT NULL,
    label       text NOT NULL,
    sealed      bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    removed_at  timestamptz
);
CREATE INDEX payment_accounts_of_an_account ON payment_accounts (account) WHERE removed_at IS NULL;
COMMENT ON TABLE payment_accounts IS 'A person''s own ways to be paid and to pay.';
COMMENT ON COLUMN payment_accounts.sealed IS 'The fields as JSON, encrypted with the desk''s data key (version in the first byte).';
COMMENT ON COLUMN payment_accounts.label IS 'What its owner calls it; holds no account data.';

CREATE TABLE offers (
    id                      uuid PRIMARY KEY,
    reference               text NOT NULL CONSTRAINT one_offer_per_reference UNIQUE,
    account                 uuid NOT NULL REFERENCES accounts (id),
    side                    text NOT NULL CONSTRAINT maker_buys_or_sells CHECK (side IN ('buyer', 'seller')),
    currency                text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    fixed_price             numeric CHECK (fixed_price > 0),
    market_percent          numeric CHECK (market_percent BETWEEN -50 AND 100),
    total                   numeric NOT NULL CHECK (total > 0),
    reserved                numeric NOT NULL DEFAULT 0,
    limit_min               numeric NOT NULL CHECK (limit_min > 0),
    limit_max               numeric NOT NULL,
    payment_window_minutes  integer NOT NULL CHECK (payment_window_minutes BETWEEN 10 AND 20160),
    confirmations           integer NOT NULL DEFAULT 0 CHECK (confirmations BETWEEN 0 AND 6),
    terms                   text NOT NULL DEFAULT '' CHECK (char_length(terms) <= 2000),
    key                     uuid NOT NULL REFERENCES signing_keys (id),
    address                 text NOT NULL,
    state                   text NOT NULL CONSTRAINT offer_state_is_known CHECK (state IN ('open', 'paused', 'withdrawn')),
    paused_why              text CONSTRAINT pause_reason_is_known CHECK (paused_why IN ('by_maker', 'missed_signing')),
    version                 bigint NOT NULL DEFAULT 1,
    created_at              timestamptz NOT NULL,
    changed_at              timestamptz NOT NULL,
    CONSTRAINT price_is_fixed_or_floats CHECK ((fixed_price IS NULL) <> (market_percent IS NULL)),
    CONSTRAINT limits_are_ordered CHECK (limit_min <= limit_max AND limit_max <= total),
    CONSTRAINT paused_for_a_reason CHECK ((state = 'paused') = (paused_why IS NOT NULL)),
    CONSTRAINT never_oversold CHECK (reserved BETWEEN 0 AND total)
);
CREATE INDEX offers_of_an_account ON offers (account, created_at DESC);
CREATE INDEX fixed_offers_by_price ON offers (side, currency, fixed_price, id) WHERE state = 'open' AND market_percent IS NULL;
CREATE INDEX floating_offers_by_percent ON offers (side, currency, market_percent, id) WHERE state = 'open' AND fixed_price IS NULL;
COMMENT ON TABLE offers IS 'What people want to buy or sell. Amounts are in the currency; each take reserves its fiat amount.';
COMMENT ON COLUMN offers.side IS 'The maker''s side: seller = the maker sells bitcoin.';
COMMENT ON COLUMN offers.address IS 'Where the maker gets bitcoin: payout address of a buyer, refund address of a seller.';
COMMENT ON COLUMN offers.confirmations IS 'At least this many confirmations; 0 = by amount, as the desk''s settings say.';

CREATE TABLE offer_methods (
    offer            uuid NOT NULL REFERENCES offers (id),
    position         integer NOT NULL CONSTRAINT at_most_three_methods CHECK (position BETWEEN 0 AND 2),
    method           text NOT NULL,
    payment_account  uuid NOT NULL REFERENCES payment_accounts (id),
    PRIMARY KEY (offer, position),
    CONSTRAINT a_method_stands_once_in_an_offer UNIQUE (offer, method)
);
COMMENT ON TABLE offer_methods IS 'One to three payment methods of an offer, each backed by a payment account of the maker.';

CREATE INDEX offers_of_a_payment_account ON offer_methods (payment_account);

CREATE TABLE board_versions (
    slot     integer PRIMARY KEY CHECK (slot BETWEEN 0 AND 63),
    version  bigint NOT NULL DEFAULT 0
);
INSERT INTO board_versions SELECT generate_series(0, 63);
COMMENT ON TABLE board_versions IS 'The sum of the versions moves with every change a visitor could see on the board; cached boards carry it.';
COMMENT ON COLUMN board_versions.slot IS 'Each connection counts in a row of its own, so that takes do not queue for one row.';

CREATE TABLE rates (
    currency  text PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
    price     numeric NOT NULL CHECK (price > 0),
    set_at    timestamptz NOT NULL
);
COMMENT ON TABLE rates IS 'The reference price of one bitcoin in each currency.';
