"""Sources that their own framework converts: what its float graphs hold, and a Checkpoint of it."""
