"""Closed periods: what was frozen, signed and numbered, and the figures of it that are published."""

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = """
CREATE TABLE closed_period (
    period text NOT NULL, edition integer NOT NULL, year integer NOT NULL, number integer NOT NULL,
    as_of timestamptz NOT NULL, at timestamptz NOT NULL, by_whom text NOT NULL, reason text NOT NULL,
    reference text NOT NULL, changed bigint NOT NULL, content bytea NOT NULL, digest bytea NOT NULL,
    signature bytea NOT NULL, public_key bytea NOT NULL,
    PRIMARY KEY (period, edition), UNIQUE (year, number)
);
CREATE TABLE published_period (
    period text PRIMARY KEY, as_of timestamptz NOT NULL, at timestamptz NOT NULL, content bytea NOT NULL,
    digest bytea NOT NULL, signature bytea NOT NULL, public_key bytea NOT NULL
);
CREATE TABLE published_figure (
    period text NOT NULL REFERENCES published_period, indicator text NOT NULL, dimension text NOT NULL,
    category text NOT NULL, value double precision, numerator bigint, denominator bigint, hidden boolean NOT NULL,
    name_vi text NOT NULL, name_en text NOT NULL, unit_of_measure text NOT NULL,
    PRIMARY KEY (period, indicator, dimension, category)
);
CREATE TABLE period_work (
    period text PRIMARY KEY, edition integer NOT NULL, asked_at timestamptz NOT NULL, asked_by text NOT NULL,
    reason text NOT NULL, reference text NOT NULL
);
CREATE TABLE period_drift (period text PRIMARY KEY, at timestamptz NOT NULL, changed bigint NOT NULL);
CREATE TABLE period_export (
    period text NOT NULL, edition integer, file text NOT NULL, at timestamptz NOT NULL, by_whom text NOT NULL
);
CREATE FUNCTION frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what is frozen is never changed: a correction is a revision';
END $$;
CREATE TRIGGER closed_period_kept BEFORE TRUNCATE ON closed_period EXECUTE FUNCTION frozen();
CREATE TRIGGER published_period_kept BEFORE TRUNCATE ON published_period EXECUTE FUNCTION frozen();
CREATE TRIGGER published_figure_kept BEFORE TRUNCATE ON published_figure EXECUTE FUNCTION frozen();
CREATE TRIGGER closed_period_frozen BEFORE UPDATE OR DELETE ON closed_period
    FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER published_period_frozen BEFORE UPDATE OR DELETE ON published_period
    FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE TRIGGER published_figure_frozen BEFORE UPDATE OR DELETE ON published_figure
    FOR EACH ROW EXECUTE FUNCTION frozen();
CREATE SCHEMA published;
CREATE VIEW published.figures AS
    SELECT f.period, f.indicator, f.name_vi, f.name_en, f.unit_of_measure, f.dimension, f.category, f.value,
           f.numerator, f.denominator, f.hidden, p.as_of AS known_at, p.at AS published_at,
           encode(p.digest, 'hex') AS digest
    FROM published_figure AS f JOIN published_period AS p USING (period);
COMMENT ON VIEW published.figures IS
    'Figures of closed periods that are safe for everybody; dimension empty: the whole province.';
"""


def upgrade() -> None:
    """Create the tables, and the one view that other tools may read."""
    for statement in _split(_TABLES):
        op.execute(statement)


def _split(script: str) -> list[str]:
    """A function's body has semicolons of its own."""
    found, inside = [""], False
    for line in script.strip().splitlines():
        found[-1] += line + "\n"
        inside ^= line.count("$$") % 2 == 1
        if line.endswith(";") and not inside:
            found.append("")
    return [statement.strip().rstrip(";") for statement in found if statement.strip()]
