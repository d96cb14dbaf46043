"""A source that says nothing is no reference."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import CheckpointError
from edgekit.parity.source_check import check_source

RNG = np.random.default_rng(1)
POSITIONS = [np.arange(n) for n in (4, 6, 1)]
COUNT = sum(len(p) for p in POSITIONS)


def test_logits_that_follow_the_text_pass() -> None:
    check_source({"logits": RNG.normal(0, 1, (COUNT, 8)).astype(np.float32)}, POSITIONS)
    # of a barely trained model too
    shared = RNG.normal(0, 1, 8)
    little = shared + 1e-3 * RNG.normal(0, 1, (COUNT, 8))
    check_source({"logits": little.astype(np.float32)}, POSITIONS)


@pytest.mark.parametrize("what", ["zeros", "bias", "place"])
def test_logits_that_do_not_are_refused(what: str) -> None:
    rows = {
        "zeros": np.zeros((COUNT, 8)),
        "bias": np.tile(RNG.normal(0, 1, 8), (COUNT, 1)) + RNG.normal(0, 1e-7, (COUNT, 8)),
        "place": RNG.normal(0, 1, (6, 8))[np.concatenate(POSITIONS)],
    }[what]
    with pytest.raises(CheckpointError, match="do not depend on what it reads") as caught:
        check_source({"logits": rows.astype(np.float32)}, POSITIONS)
    assert caught.value.exit_code == 3


def test_a_source_of_nan_is_refused() -> None:
    rows = RNG.normal(0, 1, (COUNT, 8)).astype(np.float32)
    rows[3, 2] = np.nan
    with pytest.raises(CheckpointError, match="NaN or infinity in logits at 1 of 11"):
        check_source({"logits": rows}, POSITIONS)


def test_one_text_alone_cannot_be_compared() -> None:
    check_source({"logits": np.zeros((4, 8), np.float32)}, [np.arange(4)])
