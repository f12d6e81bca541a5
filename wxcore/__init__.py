"""Severe convective weather: from radar bytes to a drafted warning."""

__version__ = "0.1.0"
