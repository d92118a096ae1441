-- Collected, checked, verified, due; who and when each; blind samples.
ALTER TABLE child
    ADD COLUMN state text NOT NULL DEFAULT 'collected',
    ADD COLUMN state_at timestamptz,
    ADD COLUMN checked_on date,
    ADD COLUMN verified_on date,
    -- When it must be verified again, and the 16th birthday: what the ticker looks for.
    ADD COLUMN due_on date,
    ADD COLUMN ages_out_on date;
CREATE INDEX child_due ON child (due_on) WHERE merged_into IS NULL AND status = 'active' AND state = 'verified';
CREATE INDEX child_ages_out ON child (ages_out_on) WHERE merged_into IS NULL AND status = 'active';
CREATE INDEX child_state ON child (unit, state) WHERE merged_into IS NULL AND status = 'active';
CREATE TABLE verification (
    id uuid PRIMARY KEY, child_id uuid NOT NULL, at timestamptz NOT NULL, by text NOT NULL,
    kind text NOT NULL, method text NOT NULL, confirmed text[] NOT NULL, changed text[] NOT NULL, sample_id uuid
);
CREATE INDEX verification_child ON verification (child_id, at);
CREATE TABLE sample (
    id uuid PRIMARY KEY, unit text NOT NULL, made_at timestamptz NOT NULL, made_by text NOT NULL, size integer NOT NULL,
    due_on date NOT NULL, completed_at timestamptz
);
CREATE INDEX sample_unit ON sample (unit, made_at);
-- `answers`: what the second person found, without having seen the first; compared when given.
CREATE TABLE sample_child (
    sample_id uuid NOT NULL REFERENCES sample, child_id uuid NOT NULL, place integer NOT NULL, by text, at timestamptz,
    found boolean, answers jsonb, compared jsonb, PRIMARY KEY (sample_id, child_id)
);
