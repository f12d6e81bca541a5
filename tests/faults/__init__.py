"""The faults of RELIABILITY.md tables A and B, each made on purpose: few of each in CI, many with `make soak`."""
