-- Rules that records break, and each commune's score over time.
CREATE TABLE finding (
    child_id uuid NOT NULL REFERENCES child, rule text NOT NULL, unit text, since date NOT NULL,
    PRIMARY KEY (child_id, rule)
);
CREATE INDEX finding_rule ON finding (unit, rule, child_id);
CREATE TABLE quality (
    unit text NOT NULL, day date NOT NULL, children integer NOT NULL, verified integer NOT NULL, due integer NOT NULL,
    broken jsonb NOT NULL, score real NOT NULL, PRIMARY KEY (unit, day)
);
