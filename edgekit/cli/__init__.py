"""The command line: one module per command, loaded when it is called."""

from edgekit.cli.main import cli, main

__all__ = ["cli", "main"]
