ALTER TABLE task
    ADD COLUMN seen_at timestamptz, ADD COLUMN pending text, ADD COLUMN proposed_due timestamptz,
    ADD COLUMN reminded_at timestamptz;
