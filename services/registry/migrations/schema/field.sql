-- Answers gathered on a phone without a network: each is taken over once, whenever it arrives.
CREATE TABLE field_answer (
    id uuid PRIMARY KEY, person text NOT NULL, child_id uuid NOT NULL, given_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL, version integer NOT NULL, outcome text NOT NULL, detail jsonb NOT NULL
);
CREATE INDEX field_answer_person ON field_answer (person, received_at DESC);
