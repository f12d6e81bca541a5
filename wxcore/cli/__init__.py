"""The `wx` command."""
