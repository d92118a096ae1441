-- Files on their way in: what they are, how they are read, each row and what became of it.
CREATE TABLE import_mapping (
    name text PRIMARY KEY, owner text NOT NULL, unit text, mapping jsonb NOT NULL, saved_at timestamptz NOT NULL
);
CREATE TABLE import (
    id uuid PRIMARY KEY, who text NOT NULL, unit text, kind text NOT NULL, digest text NOT NULL, file_name text NOT NULL,
    size bigint NOT NULL, mapping jsonb, state text NOT NULL, made_at timestamptz NOT NULL, changed_at timestamptz NOT NULL,
    rows integer NOT NULL DEFAULT 0, passed integer NOT NULL DEFAULT 0, taken integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0, new_children integer NOT NULL DEFAULT 0, problem jsonb
);
CREATE INDEX import_state ON import (state, made_at);
CREATE INDEX import_who ON import (who, made_at DESC);
