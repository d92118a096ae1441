CREATE TABLE attachment (
    id text PRIMARY KEY, case_id text NOT NULL REFERENCES cases, task_id text, media text NOT NULL, kind text NOT NULL,
    size bigint NOT NULL, added_at timestamptz NOT NULL, added_by text NOT NULL, added_by_name text NOT NULL,
    sector text, removed_at timestamptz, kid text NOT NULL, words jsonb NOT NULL
);
CREATE INDEX attachment_case ON attachment (case_id, added_at);
CREATE INDEX attachment_task ON attachment (task_id) WHERE task_id IS NOT NULL;
CREATE TABLE attachment_part (
    attachment_id text NOT NULL REFERENCES attachment, number integer NOT NULL, sealed bytea NOT NULL,
    PRIMARY KEY (attachment_id, number)
);
ALTER TABLE attachment_part ALTER COLUMN sealed SET STORAGE EXTERNAL;
