-- What the desk's own rounds read stays small, however many trades and jobs there were.

-- One pass goes through the jobs in the order of their numbers, each at most once.
DROP INDEX outbox_to_do;
CREATE INDEX outbox_to_do ON outbox (number) WHERE done_at IS NULL;
