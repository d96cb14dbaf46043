"""Whether a source is fit to be a reference: a file is easily as good as one that says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgekit.errors import CheckpointError

#: share of the largest logit; sums in another order differ by about 1e-6
LIMIT = 1e-5


def check_source(
    outputs: Mapping[str, npt.NDArray[np.float32]], positions: Sequence[npt.NDArray[np.int64]]
) -> None:
    """Refuse a language model whose logits do not depend on what it reads.

    Weights that were never loaded, a mask that hides everything or a constant bias leave logits
    that are the same for every text, or that follow the position alone.

    Args:
      outputs: the source's logits, judged rows of all cases, float32 [m, vocabulary] by name.
      positions: of each case, where they stand.
    Raises:
      CheckpointError: they are the same for every text, or not finite.
    """
    places = np.concatenate([np.zeros(0, np.int64), *positions])
    for name, logits in outputs.items():
        if not np.isfinite(logits).all():
            bad = int((~np.isfinite(logits).all(axis=1)).sum())
            raise CheckpointError(
                f"the source gives NaN or infinity in {name} at {bad} of {len(logits)} places "
                "already, in float32.",
                "its weights are damaged: load it in transformers and look at its logits.",
            )
        if _follows_place_alone(logits, places):
            raise CheckpointError(
                f"the source's {name} do not depend on what it reads: they are the same for every "
                f"text, at {len(logits)} places of {len(positions)} cases.",
                "its weights were not loaded or never trained: let transformers generate with it.",
            )


def _follows_place_alone(logits: npt.NDArray[np.float32], places: npt.NDArray[np.int64]) -> bool:
    """Whether rows of the same position are the same; False where no two can be compared."""
    _, first, of = np.unique(places, return_index=True, return_inverse=True)
    if len(first) == len(places):
        return False
    apart = 0.0
    for start in range(0, len(logits), 256):
        part = slice(start, start + 256)
        apart = max(apart, float(np.abs(logits[part] - logits[first[of[part]]]).max()))
    return apart <= LIMIT * float(np.abs(logits).max())
