ALTER TABLE chain_cursor ADD COLUMN trail text NOT NULL DEFAULT '';
COMMENT ON COLUMN chain_cursor.trail IS 'The last blocks that were followed, as height:hash, the lowest first: where a reorganisation began when the server is asked by height only.';

CREATE TABLE chain_trouble (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    state  text NOT NULL CHECK (state IN ('absent', 'hanging', 'initial download', 'stale', 'contradicting')),
    why    text NOT NULL,
    since  timestamptz NOT NULL
);
COMMENT ON TABLE chain_trouble IS 'There while the chain is out of sight: nothing is counted until it is gone.';
COMMENT ON COLUMN chain_trouble.why IS 'The last error in words, for the operator.';
