-- What is known, from whom, how surely; and every version of it.
ALTER TABLE child
    -- RecordStatus; a merged record is 'active' with merged_into.
    ADD COLUMN status text NOT NULL DEFAULT 'active',
    -- field -> {record_id, register_kind, sector, as_of, verified_on}: where what is known comes from.
    ADD COLUMN sources jsonb NOT NULL DEFAULT '{}',
    -- [{field, values: [{value, record_id, register_kind, as_of}]}]: sources of like trust that contradict each other.
    ADD COLUMN conflicts jsonb NOT NULL DEFAULT '[]',
    -- Adopted children and others whose identity is protected: seen by whom the law names, not by the whole commune.
    ADD COLUMN protected boolean NOT NULL DEFAULT false;
CREATE INDEX child_conflicts ON child (unit) WHERE conflicts <> '[]' AND merged_into IS NULL;
CREATE TABLE revision (
    child_id uuid NOT NULL, number integer NOT NULL, at timestamptz NOT NULL, actor text NOT NULL, cause text NOT NULL,
    reason text, unit text, birth_year integer, description jsonb NOT NULL, circumstances text[] NOT NULL,
    sources jsonb NOT NULL, status text NOT NULL, state text NOT NULL, PRIMARY KEY (child_id, number)
);
CREATE INDEX revision_at ON revision (child_id, at);
-- Sealed under the child's key: a photo lies in no table in clear.
CREATE TABLE photo (
    child_id uuid PRIMARY KEY REFERENCES child, media text NOT NULL, size integer NOT NULL, sealed bytea NOT NULL,
    taken_on date, added_at timestamptz NOT NULL, added_by text NOT NULL
);
