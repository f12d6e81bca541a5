"""Nowcast: where storms will be in the next hour, and how sure that is."""
