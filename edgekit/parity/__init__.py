"""Parity: when a file is still the model. Metrics, thresholds, verdicts, the fresh process."""
