"""Exact match and F1 of answers, by the definition of SQuAD.

Rajpurkar et al. 2016 (arXiv:1606.05250) section 6.1: answers are compared after lower-casing and
without punctuation and articles; exact match asks for the same text, F1 is the harmonic mean of
precision and recall over the words that both share; the best of the accepted answers counts.
Rajpurkar et al. 2018 (arXiv:1806.03822): where there is no answer, only no answer is right.
No light package computes it (torchmetrics brings torch), so it stands here.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_DROPPED = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalize(answer: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_DROPPED)).split())


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1.0 when the answer is one of the accepted ones after normalisation, else 0.0."""
    return float(normalize(answer) in _normalized(accepted))


def f1(answer: str, accepted: Sequence[str]) -> float:
    """The best word F1 of the answer against one accepted answer, 0 to 1."""
    words = normalize(answer).split()
    return max(_word_f1(words, text.split()) for text in _normalized(accepted))


def _normalized(accepted: Sequence[str]) -> list[str]:
    # an accepted answer of articles and punctuation alone says nothing; without any, "" is right
    return [text for text in map(normalize, accepted) if text] or [""]


def _word_f1(found: list[str], expected: list[str]) -> float:
    if not found or not expected:
        return float(found == expected)
    shared = sum((Counter(found) & Counter(expected)).values())
    return 2 * shared / (len(found) + len(expected))
