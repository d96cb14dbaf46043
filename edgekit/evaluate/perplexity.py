"""Perplexity of text, teacher-forced: how surprised a model is by what really comes next.

A text longer than the context is read in windows that overlap: each moves on by ``stride`` tokens,
and only tokens that no earlier window scored count, so that every token but those of the first
window has at least ``context - stride`` tokens before it. Perplexity depends on both numbers; they
are part of the result. The first token of a text has nothing before it and is not scored: where the
tokenizer puts a token of its own there, that is no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.evaluate.resample import Doubles, Weighted
from edgekit.runtime.rows import batch_rows
from edgekit.runtime.session import Session
from edgekit.tasks.next_token import token_losses

Ids = npt.NDArray[np.int64]

#: metric -> what the summed losses are divided by
UNITS = {"perplexity": "tokens", "word-perplexity": "words", "bits-per-byte": "bytes"}
#: values of the logits that are in memory at once: 256 MB
_VALUES_AT_ONCE = 1 << 26
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Windows:
    """How long texts are read.

    Attributes:
      context: tokens of a window.
      stride: tokens by which the next one moves on.
    """

    context: int
    stride: int

    @staticmethod
    def of(contract: Contract, stride: int | None = None) -> Windows:
        """Half a context of stride where nothing else is asked for."""
        context = contract.max_length
        return Windows(context, max(1, min(stride or context // 2, context - 1)))


@dataclass(frozen=True, slots=True)
class Losses:
    """What a model makes of texts.

    Attributes:
      nats: float64 [n], the sum over each text's scored tokens of -log probability.
      tokens, words, bytes: float64 [n], what was scored: tokens; white-space separated words and
        UTF-8 bytes of the text behind its first token, where that is not scored.
      windows: how texts were read.
    """

    nats: Doubles
    tokens: Doubles
    words: Doubles
    bytes: Doubles
    windows: Windows

    def per(self, unit: str) -> Doubles:
        """``tokens``, ``words`` or ``bytes``."""
        found: Doubles = getattr(self, unit)
        return found


def spans(length: int, windows: Windows) -> list[tuple[int, int, int]]:
    """(begin, first target, end) of each window over a text of so many tokens.

    Targets ``first`` to ``end`` are scored; together they are 1 to ``length``, each once.
    """
    found = []
    begin, scored = 0, 1
    while scored < length:
        end = min(begin + windows.context, length)
        found.append((begin, scored, end))
        scored = end
        begin += windows.stride
    return found


def losses_of(
    session: Session,
    contract: Contract,
    texts: Sequence[str],
    encode: Callable[[str], Sequence[int]],
    decode: Callable[[Sequence[int]], str],
    windows: Windows,
) -> Losses:
    """Run texts through a model.

    Args:
      session: of a causal model; gives the logits of all positions.
      contract: of the model.
      texts: any length.
      encode: all tokens of a text, the tokenizer's own in front included, nothing cut.
      decode: text of tokens, without special ones.
      windows: how long texts are read.
    """
    ids = [np.asarray(encode(text), np.int64) for text in texts]
    work = [(row, *span) for row, i in enumerate(ids) for span in spans(len(i), windows)]
    # windows of like length together: little padding
    work.sort(key=lambda w: (w[3] - w[1], w[0]))
    width = int(contract.outputs[0].shape[-1])
    nats = np.zeros(len(texts))
    while work:
        longest = work[min(_BATCH, len(work)) - 1]
        size = max(1, min(_BATCH, _VALUES_AT_ONCE // ((longest[3] - longest[1]) * width)))
        batch, work = work[:size], work[size:]
        rows = [
            {"input_ids": ids[row][begin:end], "attention_mask": np.ones(end - begin, np.int64)}
            for row, begin, _, end in batch
        ]
        logits = session.run(batch_rows(rows, contract))["logits"]
        for place, (row, begin, first, end) in enumerate(batch):
            used = logits[place, -(end - begin) :] if contract.padding_side == "left" else (
                logits[place, : end - begin]
            )  # fmt: skip
            scored = used[first - 1 - begin : end - 1 - begin]
            nats[row] += token_losses(scored, ids[row][first:end]).sum()
    heads = [decode([int(i[0])]).strip() if len(i) else "" for i in ids]
    left = [text.strip().removeprefix(head) for text, head in zip(texts, heads, strict=True)]
    return Losses(
        nats,
        np.array([max(0, len(i) - 1) for i in ids], np.float64),
        np.array([len(text.split()) for text in left], np.float64),
        np.array([len(text.encode()) for text in left], np.float64),
        windows,
    )


def value(name: str, losses: Losses) -> float:
    """A metric of ``UNITS``; NaN where nothing was scored."""
    return float(weighted(name, losses)(np.ones((1, len(losses.nats))))[0])


def weighted(name: str, losses: Losses) -> Weighted:
    """The same metric as a function of how often each text counts."""
    table = np.stack([losses.nats, losses.per(UNITS[name])], axis=1)

    def of_counts(counts: Doubles) -> Doubles:
        sums = counts @ table
        with np.errstate(invalid="ignore", divide="ignore"):
            nats: Doubles = sums[:, 0] / sums[:, 1]
        if name == "bits-per-byte":
            return nats / float(np.log(2))
        return np.exp(np.minimum(nats, 700.0))

    return of_counts
