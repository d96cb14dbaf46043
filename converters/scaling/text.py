"""The metric of a language model: log-perplexity of texts, teacher-forced, through any session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import CasesError
from edgekit.runtime.session import Session
from edgekit.runtime.tokenizer import TextTokenizer


@dataclass(frozen=True)
class ScoredText:
    """Texts as one tokenizer reads them.

    Attributes:
      ids: int64 [n] of each text: its beginning-of-text token where the model has one and its
        tokenizer does not put it there, then the tokens, cut at the window.
      cut: texts of which only the beginning is scored.
      sizes: UTF-8 bytes of each text, whole.
    """

    ids: tuple[npt.NDArray[np.int64], ...]
    cut: int
    sizes: tuple[int, ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """Scored tokens of each text: the first token of all has nothing before it."""
        return tuple(len(row) - 1 for row in self.ids)

    @staticmethod
    def of(texts: Sequence[str], tokenizer: TextTokenizer, contract: Contract) -> ScoredText:
        """Tokenize.

        Args:
          texts: as they are.
          tokenizer: of the model.
          contract: its window is ``max_length``.
        Raises:
          CasesError: no text has a token to score.
        """
        begin = None if contract.generation is None else contract.generation.bos_id
        rows, sizes, cut = [], [], 0
        for text in texts:
            ids = np.asarray(tokenizer.prompt_ids(text), np.int64)
            if begin is not None and (not len(ids) or ids[0] != begin):
                ids = np.concatenate([[begin], ids]).astype(np.int64)
            if len(ids) < 2:
                continue
            cut += len(ids) > contract.max_length
            rows.append(ids[: contract.max_length])
            sizes.append(len(text.encode("utf-8")))
        if len(rows) < 2:
            raise CasesError(
                f"{len(rows)} of {len(texts)} texts have a token to score; an interval over texts "
                "needs two.",
                "give more text.",
            )
        return ScoredText(tuple(rows), cut, tuple(sizes))


def text_losses(session: Session, scored: ScoredText) -> tuple[float, ...]:
    """Negative log-likelihood of each text, nats, summed over its tokens.

    Args:
      session: gives float32 ``logits`` [1, length, vocabulary] of all positions.
      scored: the texts.
    """
    return tuple(_loss(session, ids) for ids in scored.ids)


def _loss(session: Session, ids: npt.NDArray[np.int64]) -> float:
    row = ids[None]
    logits = session.run({"input_ids": row, "attention_mask": np.ones_like(row)})["logits"][0, :-1]
    values = logits.astype(np.float64)
    top = values.max(axis=1)
    total = top + np.log(np.exp(values - top[:, None]).sum(axis=1))
    return float((total - values[np.arange(len(values)), ids[1:]]).sum())
