"""Checkpoint: what every source gives, whatever it was saved by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Ids

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded source model.

    Attributes:
      name: as the user gave it, without folders.
      contract: task, inputs, outputs, tokenization, lengths.
      source: kind, sha256 by file, stored dtype: goes into the manifest.
      tokenizer_json: the tokenizer as tokenizers reads it.
      parameters: name -> float32 array; tied ones once, under their first name.
      module: torch module ``forward(**inputs) -> output``, in float32, evaluation mode; None for
        sources without one.
      attention: the modules whose attention implementation can be switched, or None.
    """

    name: str
    contract: Contract
    source: dict[str, Any]
    tokenizer_json: str
    parameters: Mapping[str, Floats]
    module: Any
    attention: Any
    folder: Path

    def reference(self, rows: Sequence[Ids]) -> dict[str, Floats]:
        """The source's outputs, one example at a time: float32, eager attention, no padding.

        Args:
          rows: int64 [length] arrays by input name.
        Returns:
          float32 [n, d] by output name.
        """
        import torch

        outputs = []
        with self.using_attention("eager"), torch.inference_mode():
            for row in rows:
                inputs = {name: torch.from_numpy(ids[None]) for name, ids in row.items()}
                outputs.append(self.module(**inputs).numpy())
        return {self.contract.outputs[0].name: np.concatenate(outputs).astype(np.float32)}

    @contextmanager
    def using_attention(self, implementation: str) -> Iterator[None]:
        """Switch the attention implementation where the architecture has a choice."""
        if self.attention is None:
            yield
            return
        before = self.attention.config._attn_implementation
        self.attention.set_attn_implementation(implementation)
        try:
            yield
        finally:
            self.attention.set_attn_implementation(before)
