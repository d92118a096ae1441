-- Collected, checked, verified, due; who and when each; closed and why; blind samples; adoption; holds.
ALTER TABLE child
    ADD COLUMN state text NOT NULL DEFAULT 'collected',
    ADD COLUMN state_at timestamptz,
    ADD COLUMN checked_on date,
    ADD COLUMN verified_on date,
    ADD COLUMN verified_by text,
    -- When it must be verified again: what the ticker looks for.
    ADD COLUMN due_on date,
    -- Since when it is the record of another commune, which has not checked it yet.
    ADD COLUMN arrived_on date,
    ADD COLUMN arrived_from text,
    -- The 16th birthday, or the last day on which it can be; worked out from the birth by whoever writes that, so that no
    -- way into this table forgets it (domain/lifecycle.py has the same rule).
    ADD COLUMN ages_out_on date GENERATED ALWAYS AS (CASE
        WHEN description->>'birth_date' IS NULL OR description->>'birth_precision' = 'year' THEN
            make_date(coalesce(left(description->>'birth_date', 4)::integer, birth_year) + 16, 12, 31)
        WHEN description->>'birth_precision' = 'month' THEN
            (make_date(left(description->>'birth_date', 4)::integer, substr(description->>'birth_date', 6, 2)::integer, 1)
             + interval '16 years 1 month' - interval '1 day')::date
        ELSE
            (make_date(left(description->>'birth_date', 4)::integer, substr(description->>'birth_date', 6, 2)::integer,
                       substr(description->>'birth_date', 9, 2)::integer) + interval '16 years')::date
        END) STORED;
CREATE INDEX child_due ON child (due_on) WHERE merged_into IS NULL AND status = 'active' AND state = 'verified';
CREATE INDEX child_ages_out ON child (ages_out_on) WHERE merged_into IS NULL AND status = 'active';
CREATE INDEX child_grew_younger ON child (ages_out_on) WHERE merged_into IS NULL AND status = 'aged-out';
CREATE INDEX child_state ON child (unit, state, due_on) WHERE merged_into IS NULL AND status = 'active';
CREATE INDEX child_unit_ages_out ON child (unit, ages_out_on) WHERE merged_into IS NULL AND status = 'active';
CREATE INDEX child_arrived ON child (unit, arrived_on) WHERE merged_into IS NULL AND arrived_on IS NOT NULL;
CREATE INDEX child_closed ON child (unit, state_at DESC NULLS LAST, id)
    WHERE merged_into IS NULL AND status IN ('deceased', 'moved-away', 'withdrawn', 'aged-out');
CREATE TABLE verification (
    id uuid PRIMARY KEY, child_id uuid NOT NULL, at timestamptz NOT NULL, by text NOT NULL,
    kind text NOT NULL, method text NOT NULL, confirmed text[] NOT NULL, changed text[] NOT NULL, sample_id uuid
);
CREATE INDEX verification_child ON verification (child_id, at);
-- `second`: who collects again. `result`: what came out, once everybody was answered for.
CREATE TABLE sample (
    id uuid PRIMARY KEY, unit text NOT NULL, made_at timestamptz NOT NULL, made_by text NOT NULL, size integer NOT NULL,
    second text NOT NULL, due_on date NOT NULL, completed_at timestamptz, result jsonb
);
CREATE INDEX sample_unit ON sample (unit, made_at);
CREATE INDEX sample_second ON sample (second) WHERE completed_at IS NULL;
-- `answers`: what the second person found, without having seen the first; `compared`: {field: {first, second, alike,
-- stands}}, written when the answers are given; `open`: how many differences wait for a person.
CREATE TABLE sample_child (
    sample_id uuid NOT NULL REFERENCES sample, child_id uuid NOT NULL, place integer NOT NULL, by text, at timestamptz,
    found boolean, answers jsonb, compared jsonb, open integer NOT NULL DEFAULT 0, PRIMARY KEY (sample_id, child_id)
);
CREATE INDEX sample_child_child ON sample_child (child_id);
CREATE INDEX sample_child_open ON sample_child (sample_id) WHERE open > 0;
-- Which record was whose: sealed under a key of its own, found only by who has the platform's key and either id.
CREATE TABLE adoption (
    id uuid PRIMARY KEY, old_token bytea NOT NULL UNIQUE, new_token bytea UNIQUE, wrapped bytea NOT NULL,
    sealed jsonb NOT NULL, opens_at timestamptz
);
CREATE INDEX adoption_opens ON adoption (opens_at) WHERE opens_at IS NOT NULL;
-- Who read such a link, and what for.
CREATE TABLE adoption_reading (
    id uuid PRIMARY KEY, adoption_id uuid NOT NULL, at timestamptz NOT NULL, who text NOT NULL, purpose text NOT NULL,
    note text NOT NULL
);
CREATE INDEX adoption_reading_of ON adoption_reading (adoption_id, at);
-- Since when a case is open, or closed: nobody is erased while one is open, or soon after.
ALTER TABLE child_case ADD COLUMN changed_on date NOT NULL;
CREATE TABLE hold (
    id uuid PRIMARY KEY, child_id uuid NOT NULL, reason text NOT NULL, note text NOT NULL, at timestamptz NOT NULL,
    by text NOT NULL, lifted_at timestamptz, lifted_by text
);
CREATE INDEX hold_child ON hold (child_id) WHERE lifted_at IS NULL;
CREATE TABLE erasure (
    child_id uuid PRIMARY KEY, ground text NOT NULL, at timestamptz NOT NULL, by text NOT NULL
);
-- A commune is told once a day what fell due, however many records did.
CREATE TABLE digest (unit text NOT NULL, day date NOT NULL, told_at timestamptz, PRIMARY KEY (unit, day));
CREATE INDEX digest_untold ON digest (day) WHERE told_at IS NULL;
