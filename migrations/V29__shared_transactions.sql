-- A transaction with many escrow outputs is kept once, and so is one that spends many.

CREATE TABLE deposit_transactions (
    txid  bytea PRIMARY KEY CHECK (octet_length(txid) = 32),
    raw   bytea NOT NULL
);
COMMENT ON TABLE deposit_transactions IS 'The transactions of deposits and of what spends them, as first seen. Nothing is removed.';

INSERT INTO deposit_transactions (txid, raw) SELECT DISTINCT ON (txid) txid, raw FROM deposits ORDER BY txid;
INSERT INTO deposit_transactions (txid, raw)
SELECT DISTINCT ON (spent_by) spent_by, spent_raw FROM deposits
 WHERE spent_by IS NOT NULL AND spent_raw IS NOT NULL ORDER BY spent_by
    ON CONFLICT (txid) DO NOTHING;

ALTER TABLE deposits
    DROP COLUMN raw,
    DROP COLUMN spent_raw,
    ADD CONSTRAINT a_deposit_has_its_transaction FOREIGN KEY (txid) REFERENCES deposit_transactions (txid);

-- A proved key owns its public key, whatever chain code others write beside it: indexes are counted by the public key.

UPDATE signing_keys later SET proved_at = NULL, displaced_at = coalesce(later.displaced_at, later.proved_at)
 WHERE later.proved_at IS NOT NULL
   AND EXISTS (SELECT 1 FROM signing_keys first
                WHERE first.public_key = later.public_key AND first.proved_at IS NOT NULL
                  AND (first.proved_at, first.id) < (later.proved_at, later.id));
UPDATE signing_keys claim SET displaced_at = owner.proved_at
  FROM signing_keys owner
 WHERE owner.public_key = claim.public_key AND owner.proved_at IS NOT NULL AND owner.id <> claim.id
   AND claim.proved_at IS NULL AND claim.displaced_at IS NULL;
DROP INDEX a_proved_key_belongs_to_one_account;
CREATE UNIQUE INDEX a_proved_key_belongs_to_one_account ON signing_keys (public_key) WHERE proved_at IS NOT NULL;
