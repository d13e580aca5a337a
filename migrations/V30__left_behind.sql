-- A part of a deposit that vanished may come back after the trade has gone on without it. It is no extra payment then.
ALTER TABLE deposits ADD COLUMN left_behind boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN deposits.left_behind IS 'was a part of the funding set, and the trade has gone on without it';
