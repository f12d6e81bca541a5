"""The chain as plain functions: doctor, ingest, cycle, run. flows/ wraps them; `--direct` calls them."""
