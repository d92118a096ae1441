CREATE TABLE member (
    case_id text NOT NULL REFERENCES cases, person text NOT NULL, role text NOT NULL, how text NOT NULL,
    state text NOT NULL, since timestamptz NOT NULL, PRIMARY KEY (case_id, person)
);
