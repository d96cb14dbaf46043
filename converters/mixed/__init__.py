"""Mixed precision: bits and groups of every matrix and table, chosen for a budget."""
