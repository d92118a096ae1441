ALTER TABLE concern
    ADD COLUMN request text NOT NULL DEFAULT 'protection', ADD COLUMN environment text, ADD COLUMN harmer text,
    ADD COLUMN children integer NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX concern_file ON concern (file_id);
CREATE TABLE concern_child (
    id text PRIMARY KEY, concern_id text NOT NULL, position integer NOT NULL, file_id text NOT NULL UNIQUE,
    case_id text NOT NULL, said jsonb NOT NULL, UNIQUE (concern_id, position)
);
CREATE INDEX concern_child_case ON concern_child (case_id);
CREATE TABLE case_link (
    case_id text NOT NULL REFERENCES cases, other_id text NOT NULL REFERENCES cases, since timestamptz NOT NULL,
    why text NOT NULL, PRIMARY KEY (case_id, other_id), CHECK (case_id <> other_id)
);
CREATE INDEX case_link_other ON case_link (other_id);
