"""Torch modules that put a task's outputs into the graph, and attention for export."""
