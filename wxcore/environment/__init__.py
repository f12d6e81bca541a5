"""Environment: heights of the 0 C and -20 C levels, and where they come from."""
