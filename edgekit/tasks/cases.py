"""Cases: texts to judge parity on, from a user's file or built in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from edgekit.errors import CasesError
from edgekit.tasks.base import Example

#: column or key -> field of Example
_TEXT_KEYS = ("text", "sentence", "sentence1", "question")
_PAIR_KEYS = ("text_pair", "sentence2", "context")


def read_cases(path: Path) -> list[Example]:
    """Read a TSV file with a header, or JSONL (an object per line).

    Keys: ``text`` (or ``sentence``, ``sentence1``, ``question``), ``text_pair`` (or ``sentence2``,
    ``context``), ``label``. White space at the ends of a text is removed.

    Raises:
      CasesError: the file is missing, empty, not UTF-8, or lacks the columns.
    """
    return [example_of(path, number, row) for number, row in read_rows(path)]


def read_text(path: Path) -> str:
    """The file's text, without a byte order mark.

    Raises:
      CasesError: the file is missing, a folder, empty or not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise CasesError(f"cases file '{path}' does not exist.", "check the path.") from None
    except IsADirectoryError:
        raise CasesError(f"cases file '{path}' is a folder.", "name a .tsv or .jsonl.") from None
    except UnicodeDecodeError as error:
        raise CasesError(
            f"cases file '{path}' is not UTF-8 (byte {error.start}).",
            "convert it, for example with `iconv -t utf-8`.",
        ) from None
    except OSError as error:
        raise CasesError(f"cases file '{path}' cannot be read: {error.strerror}.", "") from None
    if not text.strip():
        raise CasesError(f"cases file '{path}' is empty.", "give at least one row of text.")
    return text


def read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a TSV file with a header, or of JSONL, each with its line number.

    Raises:
      CasesError: as ``read_text``; a line is no JSON object; there are no rows.
    """
    text = read_text(path)
    jsonl = path.suffix in (".jsonl", ".json") or text.lstrip().startswith("{")
    rows = _read_jsonl(path, text) if jsonl else _read_tsv(path, text)
    if not rows:
        raise CasesError(f"cases file '{path}' has a header but no rows.", "add rows of text.")
    return rows


def _read_jsonl(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CasesError(
                f"cases file '{path}', line {number}: not JSON ({error}).",
                'write one object per line: {"text": "..."}',
            ) from None
        if not isinstance(row, dict):
            raise CasesError(
                f"cases file '{path}', line {number}: an object is expected.",
                'write {"text": "..."}',
            )
        rows.append((number, row))
    return rows


def _read_tsv(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    # quotes are text here: film reviews open quotes that they never close
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        # the reader passes over empty lines: it alone knows the number
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise CasesError(f"cases file '{path}': {error}.", "expected tab-separated text.") from None


def example_of(path: Path, number: int, row: dict[str, Any]) -> Example:
    """Text, pair and label of one row.

    Raises:
      CasesError: no column of text, or a text with half a character.
    """
    text = next((row[k] for k in _TEXT_KEYS if isinstance(row.get(k), str)), None)
    if text is None:
        found = ", ".join(repr(k) for k in list(row)[:6])
        raise CasesError(
            f"cases file '{path}', line {number}: no column of text (found {found}).",
            f"name a column one of {', '.join(_TEXT_KEYS)}.",
        )
    pair = next((row[k] for k in _PAIR_KEYS if isinstance(row.get(k), str)), None)
    label = row.get("label")
    label = None if label is None else str(label)
    for value in (text, pair, label):
        try:
            (value or "").encode("utf-8")
        except UnicodeEncodeError:
            raise CasesError(
                f"cases file '{path}', line {number}: half a character (a lone surrogate).",
                "the text was cut inside an emoji: write it again.",
            ) from None
    return Example(
        text.strip(),
        None if pair is None else pair.strip(),
        None if label is None else label.strip(),
    )
