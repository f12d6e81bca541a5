"""Samples: one row a storm a time, with its features and what came of it."""
