"""Landing: knows files, not weather. What is this file, is it safe to decode, what became of it."""
