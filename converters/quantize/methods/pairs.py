"""What only round-to-nearest can promise."""

from __future__ import annotations

from edgekit.errors import UnsupportedError
from edgekit.recipe import Grid


def refuse_pair_limit(method: str, grid: Grid) -> None:
    """Methods that choose codes one by one cannot keep ``Grid.max_pair_sum``.

    Raises:
      UnsupportedError: the grid has such a limit and is so wide that it matters.
    """
    if grid.max_pair_sum is not None and 2 << (grid.bits - 1) > grid.max_pair_sum:
        raise UnsupportedError(
            f"{method} cannot keep 8-bit codes from saturating x86's 16-bit sums.",
            "8-bit weights with int8 activations need @rtn; below 8 bits any method may be used.",
        )
