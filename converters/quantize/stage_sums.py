"""What all calibration text gives a stage of the walk, as the statistics that methods need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.accumulate import Accumulator
from edgekit.converters.quantize.float_path import FloatPath
from edgekit.converters.quantize.method import LayerStats
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.quantize.walk import Lane, Stage

Floats = npt.NDArray[np.float32]


class StageSums:
    """Sums over all lanes at one stage; the lanes wait there until they are sent on.

    Args:
      number: of the stage in its course.
      stage: whose layers all get this same input.
      floats: where the float model's activations at the stage come from, or None.
      lanes: are advanced to the stage.
    """

    def __init__(
        self, number: int, stage: Stage, floats: FloatPath | None, lanes: Sequence[Lane]
    ) -> None:
        sums = Accumulator()
        for index, lane in enumerate(lanes):
            wanted = None if floats is None else floats.payload(number, index)
            lane.advance()
            assert lane.given is not None
            if stage.adds and wanted is not None:
                assert lane.stream is not None
                wanted = wanted - flat(lane.stream)
            sums.add(flat(lane.given), wanted)
        self._adds, self._tokens = stage.adds, sums.tokens
        self._moment = sums.moment()
        self._cross = None if floats is None else sums.cross()

    def stats(self, weight: Floats, bias: Floats | None, heard: Moment | None = None) -> LayerStats:
        """The statistics of one of the stage's layers.

        Args:
          weight: float32 [out, in], as the layer has it now.
          bias: float32 [out] or None.
          heard: moment of the gradients at the layer's output (``LayerStats.outputs``).
        """
        moment = self._moment
        if self._cross is None:
            return LayerStats(moment, outputs=heard, tokens=self._tokens)
        assert moment.mean is not None
        cross, mean = self._cross
        if self._adds:  # y is what the layer should give: sum of the float path - residual
            gap = cross - weight @ moment.matrix
            mean_gap = mean - weight @ moment.mean
            mean_gap = mean_gap if bias is None else mean_gap - bias
        else:  # y is the float path's input
            gap = weight @ (cross - moment.matrix)
            mean_gap = weight @ (mean - moment.mean)
        return LayerStats(moment, gap, mean_gap, heard, self._tokens)


def flat(values: Any) -> Floats:
    """A tensor of activations as float32 [tokens, channels]."""
    tokens: Floats = values.reshape(-1, values.shape[-1]).numpy()
    return tokens
