"""The worst inputs as a file of cases, for ``--cases`` of export and validate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.errors import MachineError, UsageError
from edgekit.parity.search.result import Search, Worst

#: what the reader of cases takes for JSONL
SUFFIX = ".jsonl"


def check_keep_path(path: str | None) -> None:
    """Refuse a place that could not be written to before the search is run.

    Raises:
      UsageError: another ending, a folder, or a folder that does not exist.
    """
    if path is None:
        return
    place = Path(path)
    if place.suffix != SUFFIX:
        raise UsageError(f"--keep writes JSONL, and '{path}' ends otherwise.", "end it in .jsonl.")
    if place.is_dir() or not place.parent.is_dir():
        raise UsageError(f"--keep '{path}' cannot be written there.", "name a file to write.")


def kept_cases(search: Search) -> list[dict[str, Any]]:
    """What is kept: of each file what its findings show, then its worst inputs; each text once.

    Returns:
      objects of ``text`` (and ``text_pair``), which ``edgekit.tasks.cases`` reads, and of what was
      found there: ``file``, ``kind``, ``note``, ``error``, and ``exact``, whether the text gives
      the very ids that were tried.
    """
    cases: dict[tuple[str, str | None], dict[str, Any]] = {}
    for found in search.files:
        shown = [f.example for f in found.findings if f.example is not None]
        for worst in [*shown, *found.worst]:
            cases.setdefault((worst.text.strip(), worst.text_pair), _case(found.file, worst))
    return list(cases.values())


def _case(file: str, worst: Worst) -> dict[str, Any]:
    case: dict[str, Any] = {"text": worst.text}
    if worst.text_pair is not None:
        case["text_pair"] = worst.text_pair
    return {
        **case, "file": file, "kind": worst.kind, "note": worst.note, "error": worst.shown,
        "exact": worst.exact,
    }  # fmt: skip


def write_cases(path: str, search: Search) -> int:
    """Write the kept cases; the same search gives the same bytes.

    Returns:
      how many were written; with none there is no file.
    Raises:
      MachineError: the place cannot be written to.
    """
    cases = kept_cases(search)
    if not cases:
        return 0
    text = "".join(json.dumps(case, ensure_ascii=True) + "\n" for case in cases)
    place = Path(path)
    part = place.with_name(place.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(place)
    except OSError as error:
        raise MachineError(f"'{path}' cannot be written: {error.strerror}.", "") from error
    return len(cases)
