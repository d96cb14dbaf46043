"""Search: the inputs on which a file and its source differ most, and what is wrong there."""

from edgekit.parity.search.result import Finding, Found, Search, Worst
from edgekit.parity.search.run import search_folder

__all__ = ["Finding", "Found", "Search", "Worst", "search_folder"]
