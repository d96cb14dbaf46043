"""Token classification: a label for every token (names, parts of speech), grouped on request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.runtime.tokenizer import Encoded, Ids
from edgekit.tasks.base import (
    Decision,
    Floats,
    Outputs,
    Positions,
    TaskMetrics,
    agreement,
    agreement_metrics,
    clear_margin,
    prepare_text,
    softmax,
    split_rows,
    text_tokens,
)

Aggregation = Literal["none", "simple", "first", "average", "max"]
AGGREGATIONS: tuple[Aggregation, ...] = ("none", "simple", "first", "average", "max")
#: the label that marks no entity
OUTSIDE = "O"


class TokenClassification:
    """Output ``logits``: float32 [batch, length, labels]."""

    name = "token-classification"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = False
    prepare = staticmethod(prepare_text)

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """Tokens of the text: no model was ever trained to label special ones."""
        return text_tokens(row, contract)

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """Entities in order: ``{"label", "score", "start", "end", "text"}``, ``O`` left out.

        Options:
          text: the text itself.
          aggregation: "none" gives every token (with its ``index``); "simple" joins neighbouring
            tokens of one kind (B- begins a new one); "first", "average" and "max" first decide
            word by word, by the first token, the mean or the most certain token. Same meaning as
            in transformers' pipeline; words are those of the tokenizer.
        Raises:
          UsageError: unknown aggregation.
        """
        aggregation, text = options["aggregation"], str(options["text"])
        if aggregation not in AGGREGATIONS:
            raise UsageError(
                f"unknown aggregation '{aggregation}'.", f"known: {', '.join(AGGREGATIONS)}."
            )
        scores = softmax(outputs["logits"])
        kept = [int(i) for i in np.flatnonzero(~encoded.special)]
        if aggregation in ("none", "simple"):
            units = [_unit([i], scores[i], encoded, contract) for i in kept]
        else:
            words = groupby(kept, key=lambda i: int(encoded.words[i]))
            units = [
                _unit(w, _word_scores(scores[w], aggregation), encoded, contract)
                for w in (list(group) for _, group in words)
            ]
        found = units if aggregation == "none" else [_join(g) for g in _groups(units)]
        for item in found:
            item["text"] = text[item["start"] : item["end"]]
        if aggregation == "none":
            for item, i in zip(found, kept, strict=True):
                item["index"] = int(i)
        return [item for item in found if item["label"] != OUTSIDE]

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """The label of every token of the text."""
        parts = split_rows(self, outputs, rows, contract)
        return [
            tuple(contract.labels[int(i)] for i in part["logits"].argmax(axis=1)) for part in parts
        ]

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Ids],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """``top1``: label agreement per token; ``top1_clear``: where the source is clear."""
        expected = list(decisions) or self.decisions(reference, rows, contract) or []
        found = self.decisions(candidate, rows, contract) or []
        clear = clear_margin(reference["logits"])
        return agreement_metrics(agreement(expected, found), clear)


def word_labels(outputs: Outputs, encoded: Encoded, contract: Contract, count: int) -> list[str]:
    """One label per given word: that of its first token; words that were cut off get ``O``.

    Args:
      outputs: of one example.
      encoded: tokens of a text given as words.
      count: how many words there were.
    """
    best = outputs["logits"].argmax(axis=1)
    labels = [OUTSIDE] * count
    for i in reversed(np.flatnonzero(~encoded.special)):
        labels[int(encoded.words[i])] = contract.labels[int(best[i])]
    return labels


def _unit(
    tokens: Sequence[int], scores: Floats, encoded: Encoded, contract: Contract
) -> dict[str, Any]:
    best = int(scores.argmax())
    return {
        "label": contract.labels[best],
        "score": float(scores[best]),
        "start": int(encoded.offsets[tokens[0], 0]),
        "end": int(encoded.offsets[tokens[-1], 1]),
    }


def _word_scores(scores: Floats, aggregation: Aggregation) -> Floats:
    if aggregation == "average":
        found: Floats = scores.mean(axis=0)
    else:
        found = scores[0 if aggregation == "first" else int(scores.max(axis=1).argmax())]
    return found


def _kind(label: str) -> tuple[bool, str]:
    """Whether a label begins an entity, and the entity's name."""
    for prefix in ("B-", "I-"):
        if label.startswith(prefix):
            return prefix == "B-", label[2:]
    return False, label


def _groups(units: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    groups: list[list[dict[str, Any]]] = []
    for unit in units:
        begins, name = _kind(unit["label"])
        if groups and not begins and _kind(groups[-1][-1]["label"])[1] == name:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return groups


def _join(group: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "label": _kind(group[0]["label"])[1],
        "score": float(np.mean([unit["score"] for unit in group])),
        "start": group[0]["start"],
        "end": group[-1]["end"],
    }
