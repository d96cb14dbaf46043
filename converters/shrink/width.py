"""How many neurons stay: a share of them, in whole blocks."""

from __future__ import annotations

import math

from edgekit.errors import UsageError

#: neurons that kernels multiply at once, and blocks of weights that share a scale
_BLOCK = 32


def check_share(share: float) -> None:
    """Refuse what is no share of neurons.

    Raises:
      UsageError: not in (0, 1].
    """
    if not (math.isfinite(share) and 0 < share <= 1):
        raise UsageError(
            f"--ffn is the share of neurons that stay, above 0 and at most 1, not {share:g}.",
            "for example --ffn 0.75",
        )


def kept_width(width: int, share: float) -> int:
    """Neurons that stay: the nearest multiple of 32, of 16 where the width is none of 32.

    Raises:
      UsageError: that is none of them, or all although fewer were asked for.
    """
    block = _BLOCK if width % _BLOCK == 0 else _BLOCK // 2
    kept = width if share == 1 else round(share * width / block) * block
    if kept == 0 or (share < 1 and kept >= width):
        some = "none" if kept == 0 else "all"
        least, most = block / width, (math.ceil(width / block) - 1) * block / width
        hint = f"--ffn {least:.3g} keeps one block, --ffn {most:.3g} all but one."
        if most == least:
            hint = f"--ffn {least:.3g} keeps one of its two blocks."
        if most < least:
            hint = "it is one block, and stays as it is: leave this model unpruned."
        raise UsageError(
            f"--ffn {share:g} of {width} neurons in blocks of {block} is {some} of them.", hint
        )
    return kept
