"""Storms of known truth, seen through each instrument, written in its file format. All of it is SYN."""
