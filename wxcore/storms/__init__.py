"""Storms: identify cells in the column products and track them; one row a storm a time (schema.STORMS)."""
