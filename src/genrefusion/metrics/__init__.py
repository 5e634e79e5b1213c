"""Tables of predictions and what is computed from them: scores, intervals, comparisons, pooling, calibration."""
