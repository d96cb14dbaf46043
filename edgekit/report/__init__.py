"""One result, many faces: terminal, JSON, Markdown."""
