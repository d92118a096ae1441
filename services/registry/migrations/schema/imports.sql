-- Files on their way in: what they are, how they are read, each record and what became of it.
CREATE TABLE import_mapping (
    owner text NOT NULL, name text NOT NULL, unit text, mapping json NOT NULL, saved_at timestamptz NOT NULL,
    PRIMARY KEY (owner, name)
);
-- The file itself lies sealed in the data folder; `file_key` (wrapped) goes when the file goes.
-- `unit`: of rows that name none; `allowed`: the communes of whoever sent it, none: all. Who has all of them sees it.
CREATE TABLE import (
    id uuid PRIMARY KEY, who text NOT NULL, unit text, allowed text[], kind text NOT NULL, digest text NOT NULL,
    file_name text NOT NULL, size bigint NOT NULL, file_key bytea, mapping json, state text NOT NULL,
    made_at timestamptz NOT NULL, changed_at timestamptz NOT NULL, rows integer NOT NULL DEFAULT 0,
    passed integer NOT NULL DEFAULT 0, counts jsonb NOT NULL DEFAULT '{}', trial jsonb, rules jsonb NOT NULL DEFAULT '{}',
    problem jsonb
);
CREATE INDEX import_state ON import (state, made_at);
CREATE INDEX import_who ON import (who, made_at DESC);
CREATE INDEX import_digest ON import (digest);
-- Refused rows by their number in the file; what stands in them is read from the file again.
CREATE TABLE import_reject (
    import_id uuid NOT NULL REFERENCES import, row integer NOT NULL, violations jsonb NOT NULL,
    PRIMARY KEY (import_id, row)
);
-- What an import said: `sequence` is the record's as it left it, `before` what it said until then.
CREATE TABLE import_record (
    import_id uuid NOT NULL REFERENCES import, record_id uuid NOT NULL, child_id uuid NOT NULL, founded boolean NOT NULL,
    sequence integer NOT NULL, before jsonb, PRIMARY KEY (import_id, record_id)
);
CREATE INDEX import_record_child ON import_record (child_id);
-- Of which child the record was before: erasing that child reaches what it said then.
CREATE INDEX import_record_before ON import_record (((before->>'child_id')::uuid)) WHERE before IS NOT NULL;
-- Records that were withdrawn: whoever says them again goes on counting where they stopped.
CREATE TABLE withdrawn_record (record_id uuid PRIMARY KEY, sequence integer NOT NULL);
