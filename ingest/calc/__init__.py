"""Pure calculation of ingest: no database, no clock, no network."""
