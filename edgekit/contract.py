"""Contract: what goes into a file, what comes out, and everything an app must not have to guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from edgekit.errors import ArtifactError

InputKind = Literal["text", "image", "arrays"]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a file.

    Attributes:
      name: the same in both runtimes.
      dtype: numpy name as ``Session.run`` takes and gives it ("int64", "float32").
      shape: sizes, or "batch" and "length" where they vary.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """What every file of a folder keeps to.

    Attributes:
      task: a name of ``edgekit.tasks``.
      architecture: the checkpoint's ``model_type``.
      inputs, outputs: in the order of the graph.
      max_length: tokens, special ones included; longer text is cut there, in the reference too.
      pad_id: token id that fills up a batch or a bucket.
      padding_side, truncation_side: "right" or "left".
      input_kind: "text" for tokenized text.
      pooling: how token vectors become one ("mean", "cls", "max", "mean_sqrt_len", "lasttoken"
        and lists of them joined by "+"), in the graph; empty where the task has none.
      normalize: vectors are scaled to length 1, in the graph.
      labels: by output index; empty where the task has none.
      problem_type: "single_label", "multi_label", "regression", or empty.
      buckets: lengths that a TFLite file has signatures for, ascending.
      special_ids: ids that stand for no text (padding, separators, mask), ascending.
      mask_id: id of the token to be guessed (masked language models), or None.
    """

    task: str
    architecture: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_length: int
    pad_id: int
    padding_side: str = "right"
    truncation_side: str = "right"
    input_kind: InputKind = "text"
    pooling: str = ""
    normalize: bool = False
    labels: tuple[str, ...] = ()
    problem_type: str = ""
    buckets: tuple[int, ...] = ()
    special_ids: tuple[int, ...] = ()
    mask_id: int | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(spec.name for spec in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(spec.name for spec in self.outputs)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Contract:
        """Read what ``to_json`` wrote.

        Raises:
          ArtifactError: a field is missing, unknown or of the wrong kind.
        """
        try:
            known = {f.name for f in fields(Contract)}
            if unknown := set(data) - known:
                raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
            values = dict(data)
            for key in ("inputs", "outputs"):
                values[key] = tuple(
                    TensorSpec(str(s["name"]), str(s["dtype"]), tuple(s["shape"]))
                    for s in values[key]
                )
            values["labels"] = tuple(str(label) for label in values["labels"])
            values["buckets"] = tuple(int(length) for length in values["buckets"])
            values["special_ids"] = tuple(int(i) for i in values.get("special_ids", ()))
            for key in ("max_length", "pad_id"):
                values[key] = int(values[key])
            return Contract(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"the contract in edgekit.json cannot be read: {error}.",
                "export the model again with this version of edgekit.",
            ) from error
