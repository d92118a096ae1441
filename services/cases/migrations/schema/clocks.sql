ALTER TABLE deadline
    ADD COLUMN working_days boolean NOT NULL DEFAULT false, ADD COLUMN pausable text[] NOT NULL DEFAULT '{}',
    ADD COLUMN pause_days integer NOT NULL DEFAULT 0, ADD COLUMN set_by text, ADD COLUMN pause_ends_at timestamptz,
    ADD COLUMN stood_still interval NOT NULL DEFAULT '0';
CREATE TABLE stuck (
    case_id text PRIMARY KEY REFERENCES cases, reason text NOT NULL, attempts integer NOT NULL,
    since timestamptz NOT NULL, again timestamptz NOT NULL
);
