"""Draft warnings: level, area, text, life-cycle, CAP 1.2, GeoJSON. Nothing here can leave with status Actual."""
