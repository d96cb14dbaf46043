"""The calibration and evaluation texts: broad, distinct, and with nothing in common."""

from __future__ import annotations

import json
import statistics
import unicodedata
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from edgekit.tasks.builtin_cases import builtin_texts

FOLDER = Path(__file__).resolve().parent.parent / "converters" / "quantize" / "text"
SETS = ("calibration", "evaluation")
OTHER_LANGUAGES = "languages"

Run = tuple[str, ...]


@cache
def rows(name: str) -> tuple[tuple[str, str], ...]:
    """(kind, text) of every line."""
    lines = (FOLDER / f"{name}.jsonl").read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    parsed = [json.loads(line) for line in lines]
    assert all(set(row) == {"kind", "text"} for row in parsed)
    return tuple((row["kind"], row["text"]) for row in parsed)


def texts(name: str) -> list[str]:
    return [text for _, text in rows(name)]


def words(text: str) -> list[str]:
    """Words without case, punctuation and symbols; vowel signs stay with their letters."""
    folded = text.casefold().replace("’", "'")
    kept = (c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in folded)
    return [word for part in "".join(kept).split() if (word := part.strip("'"))]


def runs(text: str, length: int) -> set[Run]:
    found = words(text)
    return {tuple(found[i : i + length]) for i in range(len(found) - length + 1)}


def all_runs(lines: list[str], length: int) -> set[Run]:
    return set(chain.from_iterable(runs(line, length) for line in lines))


def scripts(text: str) -> set[str]:
    return {unicodedata.name(c, "?").split()[0] for c in text if c.isalpha()}


def test_enough_of_each_kind() -> None:
    calibration = Counter(kind for kind, _ in rows("calibration"))
    evaluation = Counter(kind for kind, _ in rows("evaluation"))
    assert calibration.total() >= 1700
    assert evaluation.total() >= 400
    assert len(calibration) >= 8
    assert len(evaluation) == 2
    assert not calibration.keys() & evaluation.keys()
    assert min(calibration.values()) >= 0.6 * calibration.total() / len(calibration)
    assert min(evaluation.values()) >= 0.4 * evaluation.total()


def test_every_text_is_there_once() -> None:
    everything = texts("calibration") + texts("evaluation")
    assert [text for text, count in Counter(everything).items() if count > 1] == []


@pytest.mark.parametrize("name", SETS)
def test_lines_are_clean_utf8(name: str) -> None:
    raw = (FOLDER / f"{name}.jsonl").read_bytes()
    assert raw.endswith(b"}\n")
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    for text in texts(name):
        assert 0 < len(text) <= 400, text
        assert text == " ".join(text.split()), text
        assert text == unicodedata.normalize("NFC", text), text
        assert "\ufffd" not in text
        assert not any(unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") for c in text), text


def test_sets_share_no_five_words_in_a_row() -> None:
    shared = all_runs(texts("calibration"), 5) & all_runs(texts("evaluation"), 5)
    assert sorted(shared) == []


@pytest.mark.parametrize("name", SETS)
def test_no_two_lines_of_a_set_share_six_words_in_a_row(name: str) -> None:
    counts = Counter(chain.from_iterable(runs(text, 6) for text in texts(name)))
    assert [run for run, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", SETS)
def test_builtin_cases_share_no_five_words_in_a_row(name: str) -> None:
    examples = builtin_texts(256, pairs=True)
    builtin = [text for e in examples for text in (e.text, e.text_pair) if text]
    assert sorted(all_runs(texts(name), 5) & all_runs(builtin, 5)) == []


def test_lengths_are_spread() -> None:
    for name, longest in (("calibration", 48), ("evaluation", 40)):
        lengths = [len(words(t)) for kind, t in rows(name) if kind != OTHER_LANGUAGES]
        deciles = statistics.quantiles(lengths, n=10)
        assert min(lengths) <= 4
        assert max(lengths) >= longest
        assert 17 <= statistics.mean(lengths) <= 23
        assert deciles[0] <= 11
        assert deciles[-1] >= 28


def test_other_languages_have_their_share() -> None:
    other = [text for kind, text in rows("calibration") if kind == OTHER_LANGUAGES]
    assert 0.12 <= len(other) / len(rows("calibration")) <= 0.2
    found = Counter(chain.from_iterable(scripts(text) for text in other))
    assert {script for script, count in found.items() if count >= 15} >= {
        "LATIN", "CJK", "HIRAGANA", "HANGUL", "CYRILLIC", "ARABIC", "DEVANAGARI"
    }  # fmt: skip
    assert sum("LATIN" not in scripts(text) for text in other) >= 0.4 * len(other)
