-- Rules that records break, and each commune's score over time.
-- `hamlet`: folded, so that a commune's list goes from hamlet to hamlet by index.
CREATE TABLE finding (
    child_id uuid NOT NULL REFERENCES child, rule text NOT NULL, unit text, hamlet text NOT NULL, since date NOT NULL,
    PRIMARY KEY (child_id, rule)
);
CREATE INDEX finding_rule ON finding (unit, rule, hamlet, child_id);
-- When time alone may change what a record breaks: what the pass looks for.
CREATE TABLE assessed (child_id uuid PRIMARY KEY, again_on date NOT NULL);
CREATE INDEX assessed_again ON assessed (again_on);
-- Records that changed and whose findings were not worked out since. Whoever changes one settles it in the same
-- transaction; what comes in by another way (a bulk import, a merge) is left here for the pass. Never updated, and
-- without a unique key, so that nobody waits for anybody.
CREATE TABLE unsettled (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, child_id uuid NOT NULL);
CREATE INDEX unsettled_child ON unsettled (child_id);
CREATE FUNCTION children_unsettled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unsettled (child_id) SELECT id FROM added; RETURN NULL; END $$;
CREATE TRIGGER children_unsettled AFTER INSERT ON child REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION children_unsettled();
CREATE FUNCTION child_unsettled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unsettled (child_id) VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER child_unsettled AFTER UPDATE ON child FOR EACH ROW
    WHEN ((OLD.description, OLD.unit, OLD.birth_year, OLD.circumstances, OLD.confirmed_on, OLD.sources, OLD.conflicts,
           OLD.state, OLD.status, OLD.verified_on, OLD.merged_into)
          IS DISTINCT FROM
          (NEW.description, NEW.unit, NEW.birth_year, NEW.circumstances, NEW.confirmed_on, NEW.sources, NEW.conflicts,
           NEW.state, NEW.status, NEW.verified_on, NEW.merged_into))
    EXECUTE FUNCTION child_unsettled();
CREATE FUNCTION pairs_unsettled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unsettled (child_id) SELECT low FROM added UNION SELECT high FROM added; RETURN NULL; END $$;
CREATE TRIGGER pairs_unsettled AFTER INSERT ON pair REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION pairs_unsettled();
CREATE FUNCTION pair_unsettled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO unsettled (child_id) VALUES (NEW.low), (NEW.high), (OLD.low), (OLD.high); RETURN NULL; END $$;
CREATE TRIGGER pair_unsettled AFTER UPDATE ON pair FOR EACH ROW
    WHEN ((OLD.state, OLD.low, OLD.high) IS DISTINCT FROM (NEW.state, NEW.low, NEW.high))
    EXECUTE FUNCTION pair_unsettled();
-- Which rules records were last looked at by.
CREATE TABLE quality_rules (id boolean PRIMARY KEY DEFAULT true CHECK (id), fingerprint text NOT NULL);
INSERT INTO quality_rules (fingerprint) VALUES ('');
-- `broken`: rule to children; `measures`: what doubts are about, as shares; `times`: how often it was measured that day.
CREATE TABLE quality (
    unit text NOT NULL, day date NOT NULL, children integer NOT NULL, verified integer NOT NULL, due integer NOT NULL,
    broken jsonb NOT NULL, score real NOT NULL, measures jsonb NOT NULL, times integer NOT NULL DEFAULT 1,
    PRIMARY KEY (unit, day)
);
CREATE INDEX quality_day ON quality (day);
