"""Learning: models, folds, calibration, scores, the board."""
