"""Whether two checkpoints may be held against each other: the same question, the same answers."""

from __future__ import annotations

from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import UsageError


def require_comparable(checkpoint: Checkpoint, original: Checkpoint) -> None:
    """Refuse two models whose outputs mean different things.

    Tokenizers and widths may differ: text goes in, and outputs are compared.

    Raises:
      UsageError: another task, other labels, other outputs, or text is cut elsewhere.
    """
    mine, theirs = checkpoint.contract, original.contract
    names = f"'{original.name}' and '{checkpoint.name}'"
    if mine.task != theirs.task:
        raise UsageError(
            f"{names} are for different tasks: {theirs.task} and {mine.task}.",
            "compare models of one task; --task may name it.",
        )
    if mine.labels != theirs.labels:
        raise UsageError(
            f"{names} have different labels, or another order of them.",
            "compare models that answer the same question.",
        )
    if [o.shape for o in mine.outputs] != [o.shape for o in theirs.outputs]:
        raise UsageError(
            f"{names} have outputs of different sizes.", "compare models with the same outputs."
        )
    if mine.max_length != theirs.max_length:
        raise UsageError(
            f"{names} cut text at {theirs.max_length} and {mine.max_length} tokens.",
            f"give --max-length {min(mine.max_length, theirs.max_length)}.",
        )
