"""Where the quality of an exported file went: by block, by cause, by matrix."""
