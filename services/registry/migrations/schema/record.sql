-- What is known, from whom, how surely; and every version of it.
ALTER TABLE child
    -- RecordStatus; a merged record is 'active' with merged_into.
    ADD COLUMN status text NOT NULL DEFAULT 'active',
    -- [{record_id, register_kind, sector, as_of, fields: {field: null, or [day, kind of act] where it was verified}}]:
    -- where what is known comes from; most children have one source, so it stands once.
    ADD COLUMN sources jsonb NOT NULL DEFAULT '[]',
    -- [{field, claims: [{value, record_id, register_kind, sector, as_of}]}]: sources of like trust that contradict
    -- each other; the first claim stands until a person decides.
    ADD COLUMN conflicts jsonb NOT NULL DEFAULT '[]',
    -- Adopted children and others whose identity is protected: seen by whom the law names, not by the whole commune.
    ADD COLUMN protected boolean NOT NULL DEFAULT false;
CREATE INDEX child_conflicts ON child (unit) WHERE conflicts <> '[]' AND merged_into IS NULL;
-- A person's word on single fields: {field: {on, by, reason, against: {record_id: what it said}}}.
ALTER TABLE statement ADD COLUMN marks jsonb NOT NULL DEFAULT '{}';
-- Of each record that an agency's events tell: of which day and when its source last told it. A correction that was
-- told before another one and comes after it does not replace it.
CREATE TABLE told (record_id uuid PRIMARY KEY, day date NOT NULL, at timestamptz NOT NULL);
-- One row a change: when, by whom, what for, and what had been known until then. A record that never changed has none,
-- so a million imported children cost nothing here; what was known at a moment is the first row after it, else `child`.
CREATE TABLE revision (
    child_id uuid NOT NULL, number integer NOT NULL, at timestamptz NOT NULL, actor text NOT NULL, cause text NOT NULL,
    reason text, unit text, birth_year integer, confirmed_on date NOT NULL, description jsonb NOT NULL,
    circumstances text[] NOT NULL, sources jsonb NOT NULL, status text NOT NULL, state text NOT NULL,
    PRIMARY KEY (child_id, number)
);
CREATE INDEX revision_at ON revision (child_id, at);
-- `evidence_kind`, `end_reason`: codes of the reference lists; `subgroup`: of the decree, where the list has any.
ALTER TABLE circumstance
    ADD COLUMN subgroup text, ADD COLUMN evidence_kind text, ADD COLUMN end_reason text, ADD COLUMN ended_by text;
-- Sealed under the child's key: a photo lies in no table in clear.
CREATE TABLE photo (
    child_id uuid PRIMARY KEY REFERENCES child, media text NOT NULL, size integer NOT NULL, sealed bytea NOT NULL,
    taken_on date, added_at timestamptz NOT NULL, added_by text NOT NULL
);
-- Coarse facts of cases and services for the child's page; cases tells them, nobody is named.
CREATE TABLE child_case (
    case_id text PRIMARY KEY, sequence integer NOT NULL, child_id uuid, unit text NOT NULL, kind text NOT NULL,
    status text NOT NULL, opened_on date NOT NULL
);
CREATE INDEX child_case_child ON child_case (child_id);
CREATE TABLE child_service (
    service_id text PRIMARY KEY, case_id text NOT NULL, sequence integer NOT NULL, given boolean NOT NULL,
    kind text NOT NULL, provided_on date NOT NULL, sector text
);
CREATE INDEX child_service_case ON child_service (case_id);
