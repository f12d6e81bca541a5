"""Severe convective weather: from radar bytes to a drafted warning."""
