"""The one place that holds the version; every file that edgekit writes records it."""

__version__ = "0.1.0"
