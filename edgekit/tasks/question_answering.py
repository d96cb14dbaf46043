"""Extractive question answering: where in a context the answer to a question begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Encoded, Ids, TextTokenizer
from edgekit.tasks.base import (
    CLEAR_MARGIN,
    Decision,
    Example,
    Floats,
    Outputs,
    Positions,
    TaskMetrics,
    agreement,
    all_tokens,
    softmax,
    split_rows,
)

#: tokens of the longest answer that parity looks at; transformers' example scripts use 30
MAX_ANSWER = 30


class QuestionAnswering:
    """Outputs ``start_logits`` and ``end_logits``: float32 [batch, length] each."""

    name = "question-answering"
    outputs: tuple[str, ...] = ("start_logits", "end_logits")
    takes_pairs = True

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """The first window of each question and context: what is too long is cut at its end."""
        return [tokenizer.encode_windows(e.text, e.text_pair or "", 0)[0].ids for e in examples]

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """All tokens: the first stands for "no answer" in models trained with such questions."""
        return all_tokens(row)

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """Candidate answers of one window, best first: ``{"score", "start", "end"}``.

        ``score`` is the product of the probabilities of start and end among the context's tokens
        and the first one, as in the pipeline of transformers 4; ``start`` and ``end`` are
        characters of the context. An empty answer (``start == end == 0``) has the probability of
        the first token.

        Options:
          top_k: how many.
          max_answer: tokens.
          impossible: the first token competes as "no answer".
        """
        inside = encoded.sequence == 1
        impossible = bool(options.get("impossible"))
        if not inside.any() and not impossible:
            return []
        # models are trained to point at the first token from windows without the answer: left out,
        # such a window's best guess would score as high as the answer itself
        allowed = inside.copy()
        allowed[0] = True
        start, end = (_masked_softmax(outputs[name], allowed) for name in self.outputs)
        none = float(start[0] * end[0]) if impossible else None
        start, end = np.where(inside, start, 0), np.where(inside, end, 0)
        spans = best_spans(start, end, inside, int(options["max_answer"]), int(options["top_k"]))
        found = [
            {
                "score": score,
                "start": int(encoded.offsets[a, 0]),
                "end": int(encoded.offsets[b, 1]),
            }
            for a, b, score in spans
        ]
        if none is not None:
            found.append({"score": none, "start": 0, "end": 0})
        return found

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """The best span of each context, as "first-last" token, or "none" without context."""
        found: list[Decision] = []
        parts = split_rows(self, outputs, rows, contract)
        for part, row in zip(parts, rows, strict=True):
            inside = context_tokens(row, contract)
            start, end = (part[name][:, 0] for name in self.outputs)
            spans = best_spans(start, end, inside, MAX_ANSWER, 1, product=False)
            found.append((f"{spans[0][0]}-{spans[0][1]}" if spans else "none",))
        return found

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Ids],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """``top1``: same best span; ``top1_clear``: where it leads; ``span_overlap``: token F1."""
        expected = list(decisions) or self.decisions(reference, rows, contract) or []
        found = self.decisions(candidate, rows, contract) or []
        same = agreement(expected, found)
        clear = np.array(self._leads(reference, rows, contract))
        overlap = [_overlap(a[0], b[0]) for a, b in zip(expected, found, strict=True)]
        return {
            "top1": float(same.mean()),
            "top1_clear": float(same[clear].mean()) if clear.any() else 1.0,
            "span_overlap": float(np.mean(overlap)),
        }

    def _leads(self, outputs: Outputs, rows: Sequence[Ids], contract: Contract) -> list[bool]:
        """Whether the best span's score leads the second's by a clear margin."""
        both = np.concatenate([outputs[name].ravel() for name in self.outputs])
        margin = CLEAR_MARGIN * float(np.sqrt(np.square(both, dtype=float).mean()))
        found = []
        parts = split_rows(self, outputs, rows, contract)
        for part, row in zip(parts, rows, strict=True):
            start, end = (part[name][:, 0] for name in self.outputs)
            inside = context_tokens(row, contract)
            spans = best_spans(start, end, inside, MAX_ANSWER, 2, product=False)
            found.append(len(spans) < 2 or spans[0][2] - spans[1][2] > margin)
        return found


def best_spans(
    start: Floats,
    end: Floats,
    inside: npt.NDArray[np.bool_],
    longest: int,
    count: int,
    product: bool = True,
) -> list[tuple[int, int, float]]:
    """The best spans that begin before they end.

    Args:
      start, end: float32 [length], probabilities (``product``) or logits, which are added.
      inside: bool [length], tokens that may belong to an answer.
      longest: tokens of an answer.
      count: how many spans.
    Returns:
      (first token, last token, score), best first; of equal ones the earlier first.
    """
    at = np.flatnonzero(inside)
    if not at.size:
        return []
    first, last = start[at][:, None], end[at][None, :]
    scores = first * last if product else first + last
    apart = at[None, :] - at[:, None]
    scores = np.where((apart >= 0) & (apart < longest), scores, -np.inf).ravel()
    order = np.argsort(-scores, kind="stable")[:count]
    return [
        (int(at[i // len(at)]), int(at[i % len(at)]), float(scores[i]))
        for i in order
        if np.isfinite(scores[i])
    ]


def context_tokens(row: Ids, contract: Contract) -> npt.NDArray[np.bool_]:
    """The second text's tokens, found by the separators: bool [length].

    They follow the first special token behind the question's text. Without a question the only
    text is the context.
    """
    special = np.isin(row["input_ids"], contract.special_ids)
    text = np.flatnonzero(~special)
    inside = ~special
    if text.size:
        behind = np.flatnonzero(special[text[0] :])
        split = text[0] + (int(behind[0]) if behind.size else 0)
        if (~special[split:]).any():
            inside[:split] = False
    return inside


def _masked_softmax(logits: Floats, allowed: npt.NDArray[np.bool_]) -> Floats:
    return softmax(np.where(allowed, logits, np.float32(-1e9)))


def _overlap(a: str, b: str) -> float:
    """F1 of two spans' tokens."""
    if "none" in (a, b):
        return float(a == b)
    (a0, a1), (b0, b1) = ([int(n) for n in s.split("-")] for s in (a, b))
    common = max(0, min(a1, b1) - max(a0, b0) + 1)
    return 2 * common / ((a1 - a0 + 1) + (b1 - b0 + 1))
