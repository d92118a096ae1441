ALTER TABLE concern ADD COLUMN request text NOT NULL DEFAULT 'protection';
