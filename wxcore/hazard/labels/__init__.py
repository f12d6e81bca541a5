"""Labels: what came of a storm, and how we know."""
