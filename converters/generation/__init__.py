"""Language models for export: the cache in the graph, attention over it, their contract."""
