-- What a take reads of keys, and what it leaves unlooked at.

-- A key is read without base58 and without arithmetic on the curve, its step /0 included.
ALTER TABLE signing_keys DROP COLUMN receiving, ADD COLUMN unpacked bytea
    CONSTRAINT an_unpacked_key_has_206_bytes CHECK (octet_length(unpacked) = 206);
COMMENT ON COLUMN signing_keys.unpacked IS 'What text says, and the key at /0: fingerprint, account number, fingerprint of the parent (4 bytes each), then public key (65 bytes, uncompressed) and chain code of the key and of the one at /0. Null: registered before this was kept; it is read out of text each time then.';

-- As in V21: what these name was read, held or made in the transaction that names it, is never removed and never gets
-- another id; whoever writes for a trade holds its row. A foreign key looked each of them up once more for each row, and
-- wrote a lock into what it found, of the arbitrator's for every take of everybody. trine restore --verify counts what
-- names nothing.
ALTER TABLE pair_arbitrators
    DROP CONSTRAINT pair_arbitrators_account_low_fkey, DROP CONSTRAINT pair_arbitrators_account_high_fkey,
    DROP CONSTRAINT pair_arbitrators_arbitrator_fkey;
ALTER TABLE arbitrator_levels DROP CONSTRAINT arbitrator_levels_arbitrator_key_fkey;
ALTER TABLE key_uses DROP CONSTRAINT key_uses_name_a_trade;
ALTER TABLE trade_events DROP CONSTRAINT trade_events_trade_fkey, DROP CONSTRAINT trade_events_account_fkey;
ALTER TABLE deadlines DROP CONSTRAINT deadlines_trade_fkey;
ALTER TABLE messages DROP CONSTRAINT messages_trade_fkey;
ALTER TABLE notices DROP CONSTRAINT notices_trade_fkey, DROP CONSTRAINT notices_account_fkey;
