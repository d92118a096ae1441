-- Searching, saved searches.
CREATE TABLE saved_search (
    id uuid PRIMARY KEY, person text NOT NULL, name text NOT NULL, wanted jsonb NOT NULL, made_at timestamptz NOT NULL,
    used_at timestamptz, UNIQUE (person, name)
);
