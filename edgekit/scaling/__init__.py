"""k-bit inference scaling laws of a model family: points, fits and answers, without torch."""
