CREATE TABLE draft (
    person text NOT NULL, key text NOT NULL, form text NOT NULL, version integer NOT NULL,
    wrapped bytea, body jsonb, begun_at timestamptz NOT NULL, saved_at timestamptz NOT NULL,
    PRIMARY KEY (person, key)
);
CREATE INDEX draft_saved ON draft (saved_at);
