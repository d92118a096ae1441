-- Rounds through a hamlet or a work list: whose, until when the phone may keep it, and which children in which order.
-- `kind`: hamlet, or the name of a work list. No word of a child lies here.
CREATE TABLE field_list (
    id uuid PRIMARY KEY, person text NOT NULL, made_at timestamptz NOT NULL, until timestamptz NOT NULL,
    kind text NOT NULL, unit text, hamlet text, children uuid[] NOT NULL, downloaded_at timestamptz
);
CREATE INDEX field_list_person ON field_list (person, made_at DESC);
-- Each answer is taken over once, whenever it arrives; one that was refused or contradicts the record may come again.
CREATE TABLE field_answer (
    id uuid PRIMARY KEY, list_id uuid NOT NULL, person text NOT NULL, child_id uuid NOT NULL, given_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL, version integer NOT NULL, outcome text NOT NULL, detail jsonb NOT NULL
);
CREATE INDEX field_answer_person ON field_answer (person, received_at DESC);
CREATE INDEX field_answer_list ON field_answer (list_id, child_id);
CREATE INDEX field_answer_child ON field_answer (child_id, given_at DESC);
