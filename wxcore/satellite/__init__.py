"""Satellite images: counts and scan geometry to calibrated scenes, and scenes to the grid."""
