"""Budgets: what a mix of widths must keep, as the command line says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.recipe import UNITS, max_bytes

_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,6})?)\s*(?P<unit>[KMG]?i?B)?", re.I)
_DROP = re.compile(r"(?P<metric>[a-z][a-z0-9-]*)=(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)")
_UNIT_NAMES = {unit.lower(): unit for unit in UNITS}


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit of bytes, or of what quality may be lost.

    Attributes:
      name: canonical: "12MB", "cosine0.01", "accuracy0.5".
      metric: "" for sizes, "cosine" (mean cosine to the source's outputs), or a metric of labelled
        data (``edgekit.evaluate.metrics``).
      limit: bytes; or the most that the metric may fall, in its own unit (0.005 for 0.5 points).
      data: labelled rows to search on, for metrics of labelled data.
      verify_data: labelled rows for the last word; None to keep back half of ``data``.
    """

    name: str
    metric: str
    limit: float
    data: Path | None = None
    verify_data: Path | None = None

    @property
    def max_size(self) -> int | None:
        """The limit in bytes, where it is one."""
        return None if self.metric else int(self.limit)


def read_budget(
    max_size: str | None,
    max_drop: str | None,
    data: str | None = None,
    metric: str | None = None,
    verify_data: str | None = None,
) -> Budget | None:
    """The budget that a command's options ask for; None when they ask for none.

    Args:
      max_size: "12MB", "900KB", "11.5MiB", or bytes.
      max_drop: "cosine=0.01", or a metric and points of hundred ("accuracy=0.5").
      data, metric, verify_data: for metrics of labelled data.
    Raises:
      UsageError: not a size or drop, not above 0, or options that do not fit each other.
    """
    if max_size is not None and max_drop is not None:
        raise UsageError(
            "--max-size and --max-drop are two budgets; one is kept at a time.",
            "give one, and read what the other became in the result.",
        )
    for option, value in (("--data", data), ("--metric", metric), ("--verify-data", verify_data)):
        if value is not None and (max_drop is None or max_drop.startswith("cosine")):
            raise UsageError(
                f"{option} says nothing here: it goes with a drop of a metric of labelled data.",
                "for example --max-drop accuracy=0.5 --data dev.tsv.",
            )
    if max_size is not None:
        return Budget(*_read_size(max_size))
    if max_drop is None:
        return None
    name, found, limit = _read_drop(max_drop)
    if found == "cosine":
        return Budget(name, found, limit)
    if data is None:
        raise UsageError(
            f"a drop of {found} is measured on labelled data, and none was given.",
            "add --data FILE, or limit the cosine: --max-drop cosine=0.01.",
        )
    if metric is not None and metric != found:
        raise UsageError(
            f"--max-drop limits {found}, --metric asks for {metric}.", "name one metric."
        )
    kept_back = None if verify_data is None else Path(verify_data)
    return Budget(name, found, limit, Path(data), kept_back)


def _read_size(text: str) -> tuple[str, str, float]:
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match["unit"] or "b").lower() not in _UNIT_NAMES:
        raise UsageError(
            f"'{text}' is no size.", "for example --max-size 12MB, 900KB, 11.5MiB or 12000000."
        )
    name = _plain(match["number"]) + _UNIT_NAMES[(match["unit"] or "b").lower()]
    size = max_bytes(name) or 0
    if size <= 0:
        raise UsageError(f"a file of at most {text} holds nothing.", "give a size above 0.")
    return name, "", float(size)


def _read_drop(text: str) -> tuple[str, str, float]:
    match = _DROP.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"'{text}' is no drop of a metric.",
            "for example --max-drop cosine=0.01, or accuracy=0.5 (points) with --data FILE.",
        )
    number, metric = float(match["number"]), match["metric"]
    if number <= 0:
        raise UsageError(
            f"a drop of {text} leaves nothing to save: no smaller file is quite the same.",
            "give a number above 0.",
        )
    if number >= (1 if metric == "cosine" else 100):
        raise UsageError(
            f"a drop of {text} would allow anything.",
            "cosine is limited in its own unit (0.01), other metrics in points of hundred (0.5).",
        )
    limit = number if metric == "cosine" else number / 100
    return metric + _plain(match["number"]), metric, limit


def _plain(number: str) -> str:
    """ "12.50" as "12.5"."""
    value = f"{Decimal(number):f}"
    return value.rstrip("0").rstrip(".") if "." in value else value
