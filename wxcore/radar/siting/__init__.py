"""Is each radar as and where it should be: ground, blockage, static clutter, bias and position against others."""
