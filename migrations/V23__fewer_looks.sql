-- What a take looks up, where it is found at once.

-- The key of every escrow is one step below an account key's /0, so that step is taken once, when the key is registered.
ALTER TABLE signing_keys ADD COLUMN receiving bytea
    CONSTRAINT receiving_is_a_public_key_and_a_chain_code CHECK (octet_length(receiving) = 97);
COMMENT ON COLUMN signing_keys.receiving IS 'Public key (65 bytes, uncompressed) and chain code at /0 of this key, derived from text. Null: registered before it was kept; it is derived each time then.';

-- Whom a conflict is with: before, the trades of both sides were looked through for one.
ALTER TABLE conflicts ADD COLUMN buyer uuid REFERENCES accounts (id), ADD COLUMN seller uuid REFERENCES accounts (id);
ALTER TABLE conflicts DISABLE TRIGGER conflicts_are_append_only;
UPDATE conflicts c SET buyer = CASE WHEN c.with_buyer THEN t.buyer END, seller = CASE WHEN c.with_seller THEN t.seller END
  FROM trades t WHERE t.id = c.trade;
ALTER TABLE conflicts ENABLE TRIGGER conflicts_are_append_only;
ALTER TABLE conflicts ADD CONSTRAINT a_conflict_names_whom_it_is_with
    CHECK (with_buyer = (buyer IS NOT NULL) AND with_seller = (seller IS NOT NULL));
CREATE INDEX conflicts_with_a_buyer ON conflicts (buyer) WHERE buyer IS NOT NULL;
CREATE INDEX conflicts_with_a_seller ON conflicts (seller) WHERE seller IS NOT NULL;
COMMENT ON COLUMN conflicts.buyer IS 'The buyer of the trade, if the conflict is with that account.';
COMMENT ON COLUMN conflicts.seller IS 'The seller of the trade, if the conflict is with that account.';
