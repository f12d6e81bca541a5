"""Hazard: what hail, thunderstorm and gale mean, and how probable they are."""
