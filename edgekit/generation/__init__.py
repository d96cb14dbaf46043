"""Text from exported language models: what a file needs to know, its cache, choosing tokens."""
