ALTER TABLE concern ADD COLUMN request text NOT NULL DEFAULT 'protection';
CREATE TABLE case_link (
    case_id text NOT NULL REFERENCES cases, other_id text NOT NULL REFERENCES cases, since timestamptz NOT NULL,
    why text NOT NULL, PRIMARY KEY (case_id, other_id), CHECK (case_id <> other_id)
);
CREATE INDEX case_link_other ON case_link (other_id);
