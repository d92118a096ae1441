"""The pass over many records at once: splink blocks and compares on DuckDB, our own matcher has the last word."""
