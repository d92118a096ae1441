ALTER TABLE cases
    ADD COLUMN environment text, ADD COLUMN harmer text, ADD COLUMN worker text,
    ADD COLUMN worker_name text NOT NULL DEFAULT '', ADD COLUMN handover_to text,
    ADD COLUMN care text, ADD COLUMN care_placed boolean NOT NULL DEFAULT false,
    ADD COLUMN meeting text, ADD COLUMN meets_at timestamptz, ADD COLUMN services jsonb NOT NULL DEFAULT '[]';
ALTER TABLE deadline ADD COLUMN paused_at timestamptz, ADD COLUMN pause_reason text;
ALTER TABLE entry ADD COLUMN version integer NOT NULL DEFAULT 0;
CREATE INDEX entry_kind ON entry (case_id, kind, id);
CREATE INDEX cases_offered ON cases (handover_to) WHERE handover_to IS NOT NULL;
