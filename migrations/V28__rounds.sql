-- What the desk's own rounds read stays small, however many trades and jobs there were.

-- One pass goes through the jobs in the order of their numbers, each at most once.
DROP INDEX outbox_to_do;
CREATE INDEX outbox_to_do ON outbox (number) WHERE done_at IS NULL;

-- The judge of a payout asks whether it was handed over. Those jobs are kept; all others are forgotten some days after they
-- were done.
CREATE INDEX broadcasts_of_a_trade ON outbox (trade) WHERE kind = 'broadcast';

-- With every block it is asked which payouts are on their way: of a million trades, some.
CREATE INDEX trades_paying_out ON trades (id) WHERE stage = 'paying_out';

-- A server that takes over reading reads every script there ever was, in the order in which they were made, out of the
-- index alone: a trade's row is a page long.
DROP INDEX trades_by_making;
CREATE INDEX trades_by_making ON trades (made_in) INCLUDE (script_pubkey);
