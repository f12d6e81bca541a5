"""Radar: beams to grid. Readers (cinrad, legacy, swan, moc, products, xradar), quality control, mosaic."""
