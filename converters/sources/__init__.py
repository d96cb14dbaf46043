"""One module per kind of source; each gives a Checkpoint."""
