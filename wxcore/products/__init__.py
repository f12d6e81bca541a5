"""Products of a column of the analysis grid: from reflectivity in three dimensions to hail, liquid and tops."""
