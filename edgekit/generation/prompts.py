"""Prompts as tokens: never cut, never empty, never of another model's vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import PromptError
from edgekit.generation.state import Ids
from edgekit.runtime.tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt.

    Attributes:
      ids: its tokens, special ones included.
      unknown: how many of them stand for what the vocabulary does not have.
    """

    ids: tuple[int, ...]
    unknown: int


def encode_prompt(
    text: str, tokenizer: TextTokenizer, vocabulary: int, limit: int, special: bool = True
) -> Prompt:
    """Tokens of a prompt, checked.

    Args:
      text: the prompt.
      tokenizer: the folder's.
      vocabulary: ids that the model knows.
      limit: tokens that fit.
      special: add what the tokenizer puts around a text; a chat template has done so already.
    Raises:
      PromptError: no token, too many of them, or one that the model does not know.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise PromptError(
            "the prompt holds bytes that are no text in UTF-8.", "convert it to UTF-8 first."
        ) from None
    ids = tokenizer.prompt_ids(text, special)
    if not ids:
        raise PromptError("the prompt is empty: it gives no token.", "write at least one word.")
    if max(ids) >= vocabulary:
        raise PromptError(
            f"the prompt has token id {max(ids)}, the model knows {vocabulary} ids: tokenizer.json "
            "is not of this model.",
            "copy the folder anew, or export the model again.",
        )
    if len(ids) > limit:
        raise PromptError(
            f"the prompt has {len(ids)} tokens, {limit} fit.",
            "shorten it, or export with a larger --max-length.",
        )
    unknown = tokenizer.unknown_id
    return Prompt(tuple(ids), 0 if unknown is None else ids.count(unknown))


def stack_prompts(prompts: Sequence[Prompt], contract: Contract, left: bool) -> tuple[Ids, Ids]:
    """Prompts as one batch.

    Args:
      prompts: at least one.
      contract: names the pad id.
      left: pad on the left, so that all last tokens stand in the last column.
    Returns:
      ids and mask, int64 [prompts, longest].
    """
    width = max(len(p.ids) for p in prompts)
    ids = np.full((len(prompts), width), contract.pad_id, np.int64)
    mask = np.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        place = slice(width - len(prompt.ids), width) if left else slice(0, len(prompt.ids))
        ids[row, place], mask[row, place] = prompt.ids, 1
    return ids, mask
