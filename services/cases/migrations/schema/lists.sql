CREATE TABLE last_look (
    person text NOT NULL, case_id text NOT NULL REFERENCES cases, entry_id bigint NOT NULL, since_id bigint NOT NULL,
    at timestamptz NOT NULL, PRIMARY KEY (person, case_id)
) WITH (fillfactor = 80);
DROP INDEX cases_open;
DROP INDEX cases_opened;
CREATE INDEX cases_open ON cases (unit, next_due, id) INCLUDE (risk, step, kind, worker, opened_at) WHERE status = 'open';
CREATE INDEX cases_ended ON cases (status, opened_at, id) INCLUDE (unit, risk, step, kind, worker) WHERE status <> 'open';
CREATE INDEX task_awaited ON task (sector, case_id) WHERE state IN ('requested', 'accepted', 'overdue');
CREATE INDEX task_attention ON task (case_id) WHERE pending IS NOT NULL OR state IN ('declined', 'overdue');
CREATE INDEX member_kept_out ON member (person, case_id) WHERE cause = 'excluded';
CREATE INDEX concern_received ON concern (unit) INCLUDE (kind) WHERE status = 'received';
