"""Text without labels that the steps before quantization may read; none of it is ever scored."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from common import SHARED
from edgekit.converters.quantize.texts import builtin_texts

from edgekit.tasks.cases import read_cases

#: a spliced sentence's longest, in words
LONGEST = 40


def plain_texts() -> list[str]:
    """Text of several kinds: calibration sentences, film reviews, sentences of tales."""
    texts = list(builtin_texts())
    for name in ("calibration-mix.jsonl", "sst2-train-2000.tsv"):
        texts += [each.text for each in read_cases(SHARED / "data" / name)]
    for name in ("stories.jsonl", "family-calibration.jsonl"):
        for each in read_cases(SHARED / "data" / name):
            sentences = re.split(r"(?<=[.!?])\s+", each.text)
            texts += [s for s in sentences if len(s.split()) >= 4]
    return [" ".join(text.split()) for text in texts]


def spliced(texts: list[str], count: int, seed: int = 1) -> list[str]:
    """New texts that begin as one of these and end as another.

    A few thousand texts alone are learned by heart; a student needs no meaning in a text, only the
    teacher's answer to it.
    """
    words = [text.split() for text in texts]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        first, second = (words[i] for i in rng.integers(0, len(words), 2))
        head, tail = rng.integers(1, len(first) + 1), rng.integers(0, len(second))
        found.append(" ".join((first[:head] + second[tail:])[:LONGEST]))
    return found


def write_texts(path: Path, texts: list[str]) -> Path:
    """One text a line, as edgekit's commands read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["text", *texts]) + "\n", encoding="utf-8")
    return path
