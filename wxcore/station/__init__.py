"""Ground stations: readers of their reports, the network, quality control, points to grid."""
