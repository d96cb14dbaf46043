"""Checkpoint: what every source gives, whatever it was saved by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.rows import Row
from edgekit.runtime.session import Inputs, Outputs, Session
from edgekit.tasks import Example, get_task
from edgekit.tasks.base import judged_rows

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded source model.

    Attributes:
      name: as the user gave it, without folders.
      contract: task, inputs, outputs, tokenization, lengths.
      source: kind, sha256 by file, stored dtype: goes into the manifest.
      tokenizer_json: the tokenizer as tokenizers reads it; empty where the input is no text.
      parameters: name -> float32 array; tied ones once, under their first name.
      module: torch module ``forward(**inputs) -> output``, in float32, evaluation mode; None for
        sources without one.
      model: the transformers model inside ``module``, or None.
      folder: where it was read from.
      graphs: target -> ``FloatGraph``, where the source's own framework converted it already.
      original: the module as it was given, where ``module`` is a changed copy for export (folded
        norms); the reference comes from it. None where they are the same.
      texts: further files that every exported folder carries (a chat template), by name.
    """

    name: str
    contract: Contract
    source: dict[str, Any]
    tokenizer_json: str
    parameters: Mapping[str, Floats]
    module: Any
    model: Any
    folder: Path
    graphs: Mapping[str, Any] = field(default_factory=dict)
    original: Any = None
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def can_calibrate(self) -> bool:
        """Whether methods that look at text can run: there is a torch module that reads some."""
        return self.module is not None and self.contract.input_kind == "text"

    def session(self) -> Session:
        """The source behind the runtimes' seam, with a cache where it generates."""
        if self.contract.generation is None:
            return ModuleSession(self)
        from edgekit.converters.generation.source_state import GeneratingSource

        return GeneratingSource(self)

    def reference(self, rows: Sequence[Row]) -> dict[str, Floats]:
        """The source's outputs, one example at a time: float32, eager attention, no padding.

        Args:
          rows: unpadded inputs.
        Returns:
          float32 [m, d] by output name, judged rows (``edgekit.tasks.base``).
        """
        return reference_outputs(self.session(), rows, self.contract)

    def judged_examples(self, examples: Sequence[Example]) -> list[Example]:
        """The cases as they are judged: a generating decoder needs targets, others nothing."""
        generation = self.contract.generation
        if generation is None or generation.start_id is None:
            return list(examples)
        from edgekit.converters.sources.seq2seq_folder import with_targets  # torch

        return with_targets(self, examples)

    @contextmanager
    def for_export(self, attention: str) -> Iterator[None]:
        """The module as it is exported: that attention, and the architecture's repairs."""
        from edgekit.converters.modules.repairs import repaired

        with self.using_attention(attention), repaired(self.model, self.contract.architecture):
            yield

    @contextmanager
    def using_attention(self, implementation: str) -> Iterator[None]:
        """Switch the attention implementation where the architecture has a choice."""
        if self.contract.architecture == "bloom":
            from edgekit.converters.generation.bloom import interface_attention

            with interface_attention(self.model, implementation):
                yield
            return
        if not _has_a_choice(self.model):
            yield  # attention is written inline there
            return
        before = self.model.config._attn_implementation
        self.model.set_attn_implementation(implementation)
        try:
            yield
        finally:
            self.model.set_attn_implementation(before)


def _has_a_choice(model: Any) -> bool:
    """Whether an architecture's attention goes through transformers' interface."""
    # encoder-decoders do, though their classes do not say so
    return bool(
        getattr(model, "_supports_attention_backend", False)
        or getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    )


def reference_outputs(
    session: Session, rows: Sequence[Row], contract: Contract
) -> dict[str, Floats]:
    """A source's judged rows, one example at a time; see ``Checkpoint.reference``."""
    task = get_task(contract.task)
    found = []
    for row in rows:
        outputs = session.run({name: value[None] for name, value in row.items()})
        found.append(judged_rows(task, outputs, [row], contract))
    return {name: np.concatenate([f[name] for f in found]) for name in found[0]}


class ModuleSession:
    """The source behind the runtimes' own seam (``edgekit.runtime.session.Session``).

    float32, eager attention, evaluation mode, on CPU.

    Args:
      checkpoint: the source.
      repaired: run it as it is exported, not as it was given.
    """

    buckets: tuple[int, ...] = ()

    def __init__(self, checkpoint: Checkpoint, repaired: bool = False) -> None:
        self._checkpoint = checkpoint
        self._use = checkpoint.for_export if repaired else checkpoint.using_attention
        given = checkpoint.module if repaired else checkpoint.original
        self._module = checkpoint.module if given is None else given

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """See ``Session.run``."""
        import torch

        checkpoint = self._checkpoint
        with self._use("eager"), torch.inference_mode():
            values = self._module(**{n: torch.from_numpy(v) for n, v in inputs.items()})
        values = values if isinstance(values, tuple) else (values,)
        return {
            name: value.numpy().astype(np.float32)
            for name, value in zip(checkpoint.contract.output_names, values, strict=True)
        }
