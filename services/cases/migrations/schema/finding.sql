CREATE TABLE finding (
    token bytea NOT NULL, file_id text NOT NULL, child smallint NOT NULL, words smallint NOT NULL, kind text NOT NULL,
    PRIMARY KEY (token, file_id, child) INCLUDE (words, kind)
);
CREATE INDEX finding_file ON finding (file_id, child);
CREATE INDEX privacy_key_erased ON privacy_key (changed_at) WHERE wrapped IS NULL;
CREATE INDEX cases_of_unit ON cases (unit) INCLUDE (id);
CREATE INDEX concern_without_case ON concern (unit) INCLUDE (file_id) WHERE case_id IS NULL;
