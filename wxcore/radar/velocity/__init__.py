"""Radial velocity: which reflectivity belongs to it, unfolding, and the wind profile it gives."""
