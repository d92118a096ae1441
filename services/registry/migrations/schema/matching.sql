-- Who may be one child: where both live (for each commune's own queue), passes over all records, records parted.
ALTER TABLE pair ADD COLUMN low_unit text, ADD COLUMN high_unit text;
CREATE INDEX pair_low_unit ON pair (low_unit, probability DESC, id) WHERE state = 'open';
CREATE INDEX pair_high_unit ON pair (high_unit, probability DESC, id) WHERE state = 'open';
-- A child that moves takes its open questions along, whoever moved it.
CREATE FUNCTION pair_follows_child() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE pair SET low_unit = NEW.unit WHERE low = NEW.id AND state = 'open'; UPDATE pair SET high_unit = NEW.unit WHERE high = NEW.id AND state = 'open'; RETURN NULL; END $$;
CREATE TRIGGER pair_follows_child AFTER UPDATE OF unit ON child FOR EACH ROW
    WHEN (OLD.unit IS DISTINCT FROM NEW.unit) EXECUTE FUNCTION pair_follows_child();
CREATE TABLE sweep (
    id uuid PRIMARY KEY, state text NOT NULL, asked_by text NOT NULL, asked_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL, attempts integer NOT NULL DEFAULT 0, children integer NOT NULL DEFAULT 0,
    proposed bigint NOT NULL DEFAULT 0, judged bigint NOT NULL DEFAULT 0, sure integer NOT NULL DEFAULT 0,
    unsure integer NOT NULL DEFAULT 0, reason text NOT NULL DEFAULT ''
);
CREATE INDEX sweep_asked ON sweep (asked_at DESC);
-- What the pass that runs still has to judge: ids alone.
CREATE TABLE proposal (number bigint PRIMARY KEY, low uuid NOT NULL, high uuid NOT NULL);
CREATE TABLE split (
    id uuid PRIMARY KEY, kept uuid NOT NULL, parted uuid NOT NULL, records uuid[] NOT NULL, at timestamptz NOT NULL,
    by text NOT NULL, reason text NOT NULL, undone_at timestamptz, undone_by text
);
-- How the record that went on stood before a merge, so that undoing it puts that right, too.
ALTER TABLE merge ADD COLUMN kept_status text NOT NULL DEFAULT 'active';
CREATE INDEX split_kept ON split (kept);
CREATE INDEX split_parted ON split (parted);
CREATE INDEX identification_child ON identification (child_id);
