-- The operator's day: every act is written down, and an invitation knows who made it and for whom.

CREATE TABLE desk_acts (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    account  uuid REFERENCES accounts (id),
    act      text NOT NULL CHECK (act <> ''),
    about    text NOT NULL DEFAULT '',
    how      text NOT NULL DEFAULT '',
    why      text NOT NULL DEFAULT ''
);
CREATE INDEX desk_acts_about ON desk_acts (about, number);
COMMENT ON TABLE desk_acts IS 'What operators did: who, when, what, to whom, why. Append-only; the operator''s pages show it.';
COMMENT ON COLUMN desk_acts.account IS 'Who did it on a page; null: a command on the desk''s own machine.';
COMMENT ON COLUMN desk_acts.how IS 'With which sum, limit or price.';
CREATE TRIGGER desk_acts_are_append_only BEFORE UPDATE OR DELETE ON desk_acts
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history();

ALTER TABLE invitations
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT one_invitation_per_number UNIQUE,
    ADD COLUMN made_by uuid REFERENCES accounts (id),
    ADD COLUMN note text NOT NULL DEFAULT '' CHECK (char_length(note) <= 200),
    ADD COLUMN withdrawn_at timestamptz,
    ADD CONSTRAINT a_used_invitation_is_not_withdrawn CHECK (used_at IS NULL OR withdrawn_at IS NULL);
COMMENT ON COLUMN invitations.made_by IS 'Null: a command on the desk''s own machine.';
COMMENT ON COLUMN invitations.note IS 'For whom it is, in the operator''s words.';
