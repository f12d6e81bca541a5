"""Features of a storm: what a model may know of it."""
