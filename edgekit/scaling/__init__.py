"""The k-bit inference scaling law on a user's own family of models: fits, choices, plots."""
