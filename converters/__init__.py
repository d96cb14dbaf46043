"""The heavy half: from a checkpoint to files. Only ``edgekit.converters.api`` is public.

Imported as ``edgekit.converters``; the only place where torch, transformers and tensorflow may be
imported, and they are imported when a conversion starts, not before.
"""
