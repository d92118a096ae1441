-- What left the registry in files, for whom and what for.
CREATE TABLE export (
    id uuid PRIMARY KEY, who text NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, purpose text NOT NULL,
    fields text[] NOT NULL, filter jsonb NOT NULL, children integer NOT NULL, watermark text NOT NULL
);
CREATE INDEX export_at ON export (at);
