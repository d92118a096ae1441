-- Searching: the words under which each child is found, worked out by the database from the row itself, so that no way
-- into the table forgets them and nothing of an erased child stays; and saved searches.
-- A word stands alone (n:anh) and together with the year, the commune and each carer's given name (2016:anh, 05443:anh,
-- lan:anh): who knows a name usually knows one of these, and a common name with one of them is rare. For who knows the
-- name alone, each two of its words are one (p:anh.nguyen), and so is a whole name of one or two (e:nguyen.anh): its
-- bearers are found first, however many have its words.
CREATE FUNCTION folded(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(translate(regexp_replace(normalize(said, NFKD), '[\u0300-\u036f]', '', 'g'), 'ĐđÐð', 'dddd'));
-- A folded name; where a keyboard has left a letter twice or a tone key inside, followed by the name without them.
CREATE FUNCTION name_words(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN name ~ '([a-z])\1|[a-z][fjwzsx0-9]|[a-su-z]r' THEN
    name || ' ' || regexp_replace(regexp_replace(name, '([a-z])\1+', '\1', 'g'),
                                  '(?<=[a-z])[fjwzsx0-9]|(?<=[a-su-z])r', '', 'g')
    ELSE name END;
CREATE FUNCTION carer_words(name text, carers text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(replace(' ' || name, ' ', ' ' || substring(carer, '[^ ]+$') || ':'), '')
        FROM unnest(string_to_array(carers, ' | ')) AS carer);
-- Every two words of a name together: one list in the index each, far shorter than that of either word.
CREATE FUNCTION name_pairs(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(' p:' || least(one COLLATE "C", other) || '.' || greatest(one COLLATE "C", other), '')
        FROM unnest(string_to_array(name, ' ')) WITH ORDINALITY AS a (one, at),
             unnest(string_to_array(name, ' ')) WITH ORDINALITY AS b (other, place) WHERE at < place);
CREATE FUNCTION child_words(
    name text, carers text, unit text, year integer, born date, state text, groups text[], said jsonb
) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 5000 -- as it is, and never to be worked out for a whole table
RETURN string_to_array(
    replace(' ' || name_words(name), ' ', ' n:')
    || CASE WHEN name ~ '^[^ ]+( [^ ]+)?$' THEN ' e:' || replace(name, ' ', '.') ELSE '' END || coalesce(name_pairs(name_words(name)), '')
    || coalesce(replace(' ' || name_words(name), ' ', ' ' || year || ':'), '')
    || coalesce(replace(' ' || name_words(name), ' ', ' ' || unit || ':'), '')
    || coalesce(carer_words(name_words(name), nullif(carers, '')), '')
    || ' m:' || replace(replace(carers, ' | ', ' '), ' ', ' m:')
    || coalesce(' u:' || unit, '') || coalesce(' y:' || year, '')
    || coalesce(' b:' || (born - '2000-01-01'::date), '') || ' v:' || state
    || coalesce(' h:' || regexp_replace(folded(said->>'hamlet'), '[^a-z0-9]+', ' h:', 'g'), '')
    || coalesce(' s:' || regexp_replace(folded(said->>'school'), '[^a-z0-9]+', ' s:', 'g'), '')
    || coalesce(' g:' || regexp_replace(folded(said->>'grade'), '[^a-z0-9]+', '', 'g'), ''), ' ') || groups;
-- What was written last waits in a list that every search reads: it must stay short.
CREATE INDEX child_words ON child USING gin (
    (child_words(name_folded, carers_folded, unit, birth_year, birth_date, state, circumstances, description))
) WITH (gin_pending_list_limit = 512) WHERE merged_into IS NULL;
-- Both tell one child or one family: they need no company. Of a number people often know the end alone.
CREATE INDEX child_number ON child (right(description->>'number', 6)) WHERE merged_into IS NULL;
CREATE INDEX child_household ON child (regexp_replace(folded(description->>'household'), '[^a-z0-9]+', '', 'g'))
    WHERE merged_into IS NULL;
-- What is looked for is identity: it lies sealed, its name with it, under a key of its own.
CREATE TABLE saved_search (
    id uuid PRIMARY KEY, person text NOT NULL, wrapped bytea NOT NULL, sealed jsonb NOT NULL,
    made_at timestamptz NOT NULL, used_at timestamptz
);
CREATE INDEX saved_search_person ON saved_search (person, made_at);
-- Whom somebody looked at last.
CREATE INDEX access_who ON access (who, at DESC) WHERE child_id IS NOT NULL;
