"""A family's models opened one after another: files and simulated data types measured on text."""
