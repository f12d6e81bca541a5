"""Dual polarisation: used where a radar has it, absent elsewhere, never required."""
