"""Environment: soundings and models, heights of the 0 C and -20 C levels, indices, and where they come from."""
