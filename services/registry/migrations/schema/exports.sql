-- What left the registry in files and to other systems, for whom and what for. `children`: as many as were asked for;
-- `sent`: as many as have left so far.
CREATE TABLE export (
    id uuid PRIMARY KEY, who text NOT NULL, name text NOT NULL, at timestamptz NOT NULL, kind text NOT NULL,
    purpose text NOT NULL, fields text[] NOT NULL, filter jsonb NOT NULL, children integer NOT NULL,
    sent integer NOT NULL DEFAULT 0, finished_at timestamptz, watermark text NOT NULL
);
CREATE INDEX export_at ON export (at);
CREATE INDEX export_who ON export (who, at);
