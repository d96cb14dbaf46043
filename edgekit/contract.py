"""Contract: what goes into a file, what comes out, and everything an app must not have to guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from edgekit import plain
from edgekit.errors import ArtifactError, first_line
from edgekit.generation.settings import Generation
from edgekit.preprocessing import Preprocessing

InputKind = Literal["text", "image", "arrays"]

#: no file of ours reads more in one call
_MOST_TOKENS = 2**24

#: text fields -> their allowed values, any text where there are none
_TEXTS: dict[str, tuple[str, ...]] = {
    "task": (),
    "architecture": (),
    "padding_side": ("right", "left"),
    "truncation_side": ("right", "left"),
    "input_kind": get_args(InputKind),
    "pooling": (),
    "problem_type": ("", "single_label", "multi_label", "regression", "probabilities"),
}


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
      max_length: tokens, special ones included; longer text is cut there, in the reference too. 0
        where the input is no text.
      pad_id: token id that fills up a batch or a bucket.
      padding_side, truncation_side: "right" or "left".
      input_kind: "text" for tokenized text, "image" for pictures that are prepared as the contract
        says, "arrays" for inputs that are taken as they are.
      pooling: how token vectors become one ("mean", "cls", "max", "mean_sqrt_len", "lasttoken"
        and lists of them joined by "+"), in the graph; empty where the task has none.
      normalize: vectors are scaled to length 1, in the graph.
      labels: by output index; empty where the task has none.
      problem_type: "single_label", "multi_label", "regression", "probabilities" (single label, the
        graph ends in a softmax), or empty.
      buckets: lengths that a TFLite file has signatures for, ascending.
      special_ids: ids that stand for no text (padding, separators, mask), ascending.
      mask_id: id of the token to be guessed (masked language models), or None.
      preprocessing: how a picture becomes the input, for ``input_kind="image"``, or None.
      generation: cache, context and defaults of a file that generates text, or None.
    """

    task: str
    architecture: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_length: int = 0
    pad_id: int = 0
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
    preprocessing: Preprocessing | None = None
    generation: Generation | None = None

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
        data = asdict(replace(self, preprocessing=None))
        if self.preprocessing is None:
            del data["preprocessing"]
        else:
            data["preprocessing"] = self.preprocessing.to_json()
        if self.generation is None:
            del data["generation"]
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Contract:
        """Read what ``to_json`` wrote.

        Raises:
          ArtifactError: a field is missing, unknown or of the wrong kind.
        """
        try:
            plain.check_plain(data, "contract")
            return _checked(plain.mapping(data, "contract"))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"the contract in edgekit.json cannot be read: {first_line(error)}.",
                "export the model again with this version of edgekit.",
            ) from error


def _checked(values: dict[str, Any]) -> Contract:
    """The contract, each field of the kind and within the bounds that its readers rely on."""
    if unknown := set(values) - {f.name for f in fields(Contract)}:
        raise ValueError(f"unknown field {ascii(min(unknown))[:40]}")
    for key in ("inputs", "outputs"):
        specs = plain.sequence(values[key], key)
        if not specs:
            raise ValueError(f"{key} is empty")
        values[key] = tuple(_spec(spec, f"{key}[{i}]") for i, spec in enumerate(specs))
    for key, choices in _TEXTS.items():
        if key in values:
            plain.text(values[key], key, choices)
    for key in ("task", "architecture"):
        if not values[key]:
            raise ValueError(f"{key} is empty")
    # three tokens: one of text between the two that every encoder adds
    least, most = (3, _MOST_TOKENS) if values.get("input_kind", "text") == "text" else (0, 0)
    values["max_length"] = plain.integer(values["max_length"], "max_length", least, most)
    values["pad_id"] = plain.integer(values["pad_id"], "pad_id", 0, 2**31 - 1)
    plain.flag(values.get("normalize", False), "normalize")
    values["labels"] = tuple(plain.texts(values.get("labels", ()), "labels"))
    width = values["outputs"][0].shape[-1:]
    if values["labels"] and width != (len(values["labels"]),):
        raise ValueError(f"{len(values['labels'])} labels do not fit an output of shape {width}")
    values["buckets"] = tuple(
        plain.integer(n, "buckets", 1, _MOST_TOKENS)
        for n in plain.sequence(values.get("buckets", ()), "buckets")
    )
    values["special_ids"] = tuple(
        plain.integer(n, "special_ids", 0, 2**31 - 1)
        for n in plain.sequence(values.get("special_ids", ()), "special_ids")
    )
    if values.get("mask_id") is not None:
        plain.integer(values["mask_id"], "mask_id", 0, 2**31 - 1)
    _check_preprocessing(values)
    if values.get("generation") is not None:
        values["generation"] = Generation.from_json(values["generation"])
    return Contract(**values)


def _check_preprocessing(values: dict[str, Any]) -> None:
    """A picture becomes exactly what the one input of the graph is."""
    given = values.get("preprocessing")
    if values.get("input_kind", "text") != "image":
        if given is not None:
            raise ValueError("preprocessing is for pictures alone")
        return
    values["preprocessing"] = found = Preprocessing.from_json(given)
    expected = [("float32", ("batch", *found.shape))]
    if [(spec.dtype, spec.shape) for spec in values["inputs"]] != expected:
        raise ValueError(f"preprocessing gives float32 {found.shape}, inputs are of another shape")


def _spec(data: Any, where: str) -> TensorSpec:
    spec = plain.mapping(data, where)
    shape = tuple(
        plain.text(n, f"{where}.shape")
        if isinstance(n, str)
        else plain.integer(n, f"{where}.shape", 1, 2**31 - 1)
        for n in plain.sequence(spec["shape"], f"{where}.shape")
    )
    return TensorSpec(plain.text(spec["name"], where), plain.text(spec["dtype"], where), shape)
