"""Character classes as the tokenizers library has them, so that every reader agrees with it.

Its tables are of an older Unicode than those of phones and browsers (8.0 in tokenizers 0.22), so
a reader that asked its own platform would treat some 700 code points otherwise, and differently
on every platform. The classes are found by asking the library about each code point.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

Ranges = list[int]

#: what is looked at in one call
_CHUNK = 1 << 16
_SURROGATES = range(0xD800, 0xE000)


def classes_for(steps: Iterable[dict[str, Any]]) -> dict[str, Ranges]:
    r"""The classes that some steps of a tokenizer's description need.

    Args:
      steps: its normalizing and splitting steps.
    Returns:
      "control" (dropped by ``bert`` with ``clean``), "mark" (dropped by it with accents),
      "combining" (dropped by ``strip_accents``), "punctuation" (split off), "letter" and "number"
      (\p{L} and \p{N} of patterns), each as flat first and last code points of its ranges,
      ascending.
    """
    from tokenizers import Regex, normalizers, pre_tokenizers

    listed = list(steps)
    found: dict[str, Ranges] = {}
    if any(step.get("clean") for step in listed):
        clean = normalizers.BertNormalizer(True, False, False, False)
        found["control"] = _ranges(_dropped(clean))
    if any(step.get("strip_accents") for step in listed):
        accents = normalizers.BertNormalizer(False, False, True, False)
        found["mark"] = _ranges(_dropped(accents))
    if any(step["op"] == "strip_accents" for step in listed):
        found["combining"] = _ranges(_dropped(normalizers.StripAccents()))
    if any(step["op"] == "punctuation" or step == {"op": "bert"} for step in listed):
        punctuation = pre_tokenizers.Punctuation("removed")
        found["punctuation"] = _ranges(_removed(punctuation))
    if any(step["op"] == "regex" or step.get("regex") for step in listed):
        for name, pattern in (("letter", r"\p{L}"), ("number", r"\p{N}")):
            split = pre_tokenizers.Split(Regex(pattern), "removed")
            found[name] = _ranges(_removed(split))
    return found


def _texts() -> Iterable[str]:
    """Every code point once, in pieces."""
    for start in range(0, sys.maxunicode + 1, _CHUNK):
        points = range(start, min(start + _CHUNK, sys.maxunicode + 1))
        yield "".join(chr(c) for c in points if c not in _SURROGATES)


def _dropped(normalizer: Any) -> Iterable[int]:
    for text in _texts():
        kept = set(normalizer.normalize_str(text))
        # what is not kept as it is may have become something else
        yield from (ord(c) for c in text if c not in kept and not normalizer.normalize_str(c))


def _removed(splitter: Any) -> Iterable[int]:
    for text in _texts():
        kept = {c for piece, _ in splitter.pre_tokenize_str(text) for c in piece}
        yield from (ord(c) for c in text if c not in kept)


def _ranges(points: Iterable[int]) -> Ranges:
    flat: Ranges = []
    for point in sorted(points):
        if flat and flat[-1] == point - 1:
            flat[-1] = point
        else:
            flat += [point, point]
    return flat
