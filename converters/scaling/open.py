"""What ``edgekit scaling`` is given, checked before any model is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgekit.converters.checked_options import refuse_inside
from edgekit.converters.opening import calibration_text, require_packages
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.scaling.run import Inputs, run_scaling
from edgekit.converters.sources.resolve import resolve

from edgekit.errors import CasesError, UsageError
from edgekit.progress import Progress
from edgekit.scaling.options import ScalingOptions
from edgekit.scaling.result import Scaling
from edgekit.tasks.cases import read_cases


def scaling(
    models: Sequence[str | os.PathLike[str]],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: ScalingOptions | None = None,
    calibration: str | os.PathLike[str] | None = None,
    max_length: int | None = None,
    progress: Progress | None = None,
) -> Scaling:
    """Measure a family at several precisions, and fit its k-bit inference scaling law.

    Args:
      models: two or more checkpoint folders or hub ids of causal language models.
      data: TSV or JSONL file; the log-perplexity of its ``text`` is the metric.
      out: folder of the result; what an earlier run left in it is used again.
      options: which precisions; the default ones when None.
      calibration: file of texts that quantization may look at, in place of the built-in ones.
      max_length: window, tokens; longer texts are cut there.
      progress: where each point is told.
    Raises:
      EdgekitError: see ``edgekit.errors``.
    """
    options = options or ScalingOptions()
    options.wanted()  # wrong options are told before anything is read
    options.budget_bytes()
    names = [str(model) for model in models]
    if len(names) < 2:
        raise UsageError(
            f"a scaling law needs two models or more, and {len(names)} was given.",
            "`edgekit sweep` measures one model.",
        )
    for place, name in enumerate(names):
        if Path(name).name in {Path(other).name for other in names[:place]}:
            raise UsageError(
                f"two models are named '{Path(name).name}'.",
                "each is told by its folder's name: rename one.",
            )
    if len(options.tokens) not in (0, len(names)):
        raise UsageError(
            f"--tokens has {len(options.tokens)} numbers for {len(names)} models.",
            "give one for each model, in their order, or none.",
        )
    texts = [e.text for e in read_cases(Path(data)) if e.text]
    if not texts:
        raise CasesError(f"data file '{data}' holds no text.", "give rows with a `text`.")
    text = CalibrationText.builtin() if calibration is None else calibration_text(Path(calibration))
    require_packages((options.target,), "a scaling run")
    for name in names:
        refuse_inside(Path(out), resolve(name))
    inputs = Inputs(tuple(names), tuple(texts), Path(data).name, text, max_length)
    return run_scaling(inputs, options, Path(out), progress or Progress.silent())
