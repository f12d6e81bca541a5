"""Lightning: events of imagers and strokes of ground networks, to flashes, to density on the grid."""
