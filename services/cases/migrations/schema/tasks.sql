ALTER TABLE task
    ADD COLUMN seen_at timestamptz, ADD COLUMN pending text, ADD COLUMN proposed_due timestamptz,
    ADD COLUMN reminded_at timestamptz, ADD COLUMN accepted_at timestamptz, ADD COLUMN responded_at timestamptz,
    ADD COLUMN said_at timestamptz, ADD COLUMN answer text, ADD COLUMN waits_since timestamptz,
    ADD COLUMN reminders integer NOT NULL DEFAULT 0, ADD COLUMN settled_at timestamptz, ADD COLUMN replaced_by text,
    ADD COLUMN unit text NOT NULL DEFAULT 'unclassified', ADD COLUMN awaited text NOT NULL DEFAULT 'nobody';
UPDATE task SET unit = cases.unit, waits_since = coalesce(task.answered_at, task.asked_at),
    responded_at = task.answered_at, said_at = task.answered_at,
    answer = CASE WHEN task.answered_at IS NULL THEN NULL WHEN task.state = 'overdue' THEN 'accepted'
             WHEN task.state IN ('accepted', 'declined', 'done') THEN task.state END,
    accepted_at = CASE WHEN task.state IN ('accepted', 'overdue') THEN task.answered_at END,
    settled_at = CASE WHEN task.state = 'declined' AND cases.status <> 'open' THEN task.answered_at END,
    awaited = CASE WHEN task.state IN ('requested', 'accepted', 'overdue') THEN 'sector'
              WHEN task.state = 'declined' AND cases.status = 'open' THEN 'commune' ELSE 'nobody' END
    FROM cases WHERE cases.id = task.case_id;
DROP INDEX task_open;
CREATE INDEX task_sector_waits ON task (sector, awaited, due) WHERE awaited <> 'nobody';
CREATE INDEX task_unit_waits ON task (unit, awaited, due) WHERE awaited <> 'nobody';
CREATE INDEX task_waits ON task (due, awaited) WHERE awaited <> 'nobody';
CREATE INDEX task_sector_over ON task (sector, (coalesce(cancelled_at, answered_at)) DESC NULLS LAST) WHERE awaited = 'nobody';
CREATE INDEX task_unit_over ON task (unit, (coalesce(cancelled_at, answered_at)) DESC NULLS LAST) WHERE awaited = 'nobody';
CREATE INDEX task_over ON task ((coalesce(cancelled_at, answered_at)) DESC NULLS LAST) WHERE awaited = 'nobody';
CREATE INDEX task_responded ON task (asked_at) INCLUDE (sector, unit, responded_at, awaited, due);
CREATE TABLE conference (
    id text PRIMARY KEY, case_id text NOT NULL REFERENCES cases, state text NOT NULL, meets_at timestamptz NOT NULL,
    sectors text[] NOT NULL, called_at timestamptz NOT NULL, held_on date
);
CREATE INDEX conference_case ON conference (case_id);
CREATE INDEX conference_called ON conference (meets_at) WHERE state = 'called';
CREATE INDEX entry_task ON entry ((data->>'task_id'), id) WHERE data->>'task_id' IS NOT NULL;
