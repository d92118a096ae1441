CREATE TABLE member (
    case_id text NOT NULL REFERENCES cases, person text NOT NULL, role text NOT NULL, how text NOT NULL,
    state text NOT NULL, since timestamptz NOT NULL, unit text, cause text, PRIMARY KEY (case_id, person)
);
CREATE INDEX member_person ON member (person);
CREATE INDEX member_asked ON member (since) WHERE state = 'asked';
CREATE TABLE glass (
    id text PRIMARY KEY, case_id text NOT NULL REFERENCES cases, person text NOT NULL, role text NOT NULL,
    purpose text NOT NULL, since timestamptz NOT NULL, until timestamptz NOT NULL, verdict text, reviewed_by text,
    reviewed_at timestamptz
);
CREATE INDEX glass_case ON glass (case_id);
CREATE INDEX glass_person ON glass (person, until);
CREATE INDEX glass_since ON glass (since);
CREATE INDEX cases_of_worker ON cases (worker, unit) WHERE worker IS NOT NULL AND status = 'open';
ALTER TABLE identity_read ADD COLUMN case_id text, ADD COLUMN basis text NOT NULL DEFAULT 'role';
UPDATE identity_read SET case_id = concern.case_id FROM concern WHERE concern.file_id = identity_read.file_id;
CREATE INDEX identity_read_case ON identity_read (case_id, at);
CREATE INDEX identity_read_who ON identity_read (who, at);
CREATE INDEX identity_read_at ON identity_read (at);
CREATE TABLE reassignment (
    id text PRIMARY KEY, unit text NOT NULL, from_worker text, to_worker text NOT NULL, to_name text NOT NULL,
    who text NOT NULL, who_name text NOT NULL, who_role text NOT NULL, reason text NOT NULL,
    asked_at timestamptz NOT NULL
);
CREATE INDEX reassignment_unit ON reassignment (unit, asked_at);
CREATE TABLE reassigned (
    reassignment_id text NOT NULL REFERENCES reassignment, case_id text NOT NULL REFERENCES cases,
    state text NOT NULL DEFAULT 'waiting', PRIMARY KEY (reassignment_id, case_id)
);
CREATE INDEX reassigned_waiting ON reassigned (reassignment_id) WHERE state = 'waiting';
