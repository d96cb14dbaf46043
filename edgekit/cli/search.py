"""What ``edgekit validate --search`` does beyond the checks."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.errors import UsageError
from edgekit.parity.search import search_folder
from edgekit.parity.search.keep import check_keep_path, write_cases
from edgekit.parity.search.run import SECONDS
from edgekit.parity.validate import Validation
from edgekit.progress import Progress


def search_budget(search: bool, keep: str | None, seconds: float | None) -> float:
    """The search's CPU seconds for each file.

    Raises:
      UsageError: an option of the search without it, no time, or no place for the kept cases.
    """
    for name, value in (("--keep", keep), ("--search-seconds", seconds)):
        if value is not None and not search:
            raise UsageError(
                f"{name} belongs to a search, and none was asked for.", "add --search."
            )
    check_keep_path(keep)
    if seconds is None:
        return SECONDS
    if not 1 <= seconds <= 86_400:
        raise UsageError(
            f"--search-seconds takes 1 to 86400 seconds of CPU time, not {seconds:g}.",
            "100 is enough for a small encoder.",
        )
    return seconds


def add_search(
    result: Validation,
    reference: str | None,
    base: str | None,
    level: str,
    seconds: float,
    thresholds: Mapping[str, float],
    progress: Progress,
    keep: str | None,
) -> Validation:
    """Search all files of a validation, write the kept cases, and add what was found."""
    search = search_folder(result, reference, base, level, seconds, thresholds, progress)
    if keep is not None:
        write_cases(keep, search)
    return result.with_search(search)
