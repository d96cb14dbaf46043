"""The audit's data: where a parameter lies in a file, and what was found there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edgekit import plain

Role = Literal["matrix", "table", "tied", "kernel", "vector"]
Layout = Literal["identity", "transpose", "rows", "axes"]

#: parts of ``StoredTensor.where`` of which one is always there
_VALUES = {"values", "nibbles", "plane4", "plane2", "plane1"}


@dataclass(frozen=True, slots=True)
class Transform:
    """How a constant of a file follows from a parameter of the source.

    Attributes:
      layout: the same, the transpose, a run of rows (a position table that was cut), or another
        order of the axes (a convolution's kernel).
      start, stop: the rows for ``layout="rows"``.
      axes: the parameter's axes in the constant's order, for ``layout="axes"``.
      factor: a number that the exporter folded in (attention's 1/sqrt(d), say).
    """

    layout: Layout = "identity"
    start: int = 0
    stop: int | None = None
    factor: float = 1.0
    axes: tuple[int, ...] = ()

    def apply(self, parameter: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The constant, float32, in the file's layout (extra axes of size 1 aside)."""
        value = parameter
        if self.layout == "transpose":
            value = value.T
        elif self.layout == "rows":
            value = value[self.start : self.stop]
        elif self.layout == "axes":
            value = value.transpose(self.axes)
        if self.factor != 1.0:
            value = value * np.float32(self.factor)
        return np.ascontiguousarray(value)

    def undo_axes(
        self, values: npt.NDArray[np.float32], shape: tuple[int, ...]
    ) -> npt.NDArray[np.float32]:
        """From the constant's order of axes to the parameter's.

        Args:
          values: of the constant, any shape.
          shape: of the parameter.
        Returns:
          [rows, cols], higher axes joined; ``values`` itself for other layouts.
        """
        if self.layout != "axes":
            return values
        ordered = values.reshape([shape[axis] for axis in self.axes])
        back = ordered.transpose(np.argsort(self.axes))
        return np.ascontiguousarray(back).reshape(shape[0], -1)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One parameter of the source inside one file.

    Attributes:
      parameter: its name in the source.
      shape: of the parameter.
      role: "matrix" (multiplied), "table" (looked up), "tied" (both, stored once), "vector" (bias,
        norm, the few taps of a depthwise convolution; stays float32), or "kernel": any other of
        two axes or more (convolutions, tables that a norm reads), stored in few bits.
      transform: parameter -> constant.
      dtype: of the stored values: "float32", "float16", or "int2" to "int8" for codes.
      bits: per stored value.
      group: inputs per scale, None for floats.
      where: names (ONNX) or buffer numbers (TFLite) of "values", "scales", "multiplier". ONNX files
        hold codes of less than 8 bits as "plane4", "plane2", "plane1" (``edgekit.planes``) or
        "nibbles", scales also as "scale_codes" and "row_scales", and "channel_scales" where codes
        are folded to int8 rows (``edgekit.folding``). A TFLite table of planes has "values" for the
        highest bits, "plane2" and "plane1" for the next.
      digest: of the values that were written, for codes; see ``weights_digest``.
      sketch: name of the sketch in golden.npz when it is not the source's own: quantization
        corrects biases, and the corrected ones are proven by a sketch made at export.
    """

    parameter: str
    shape: tuple[int, ...]
    role: Role
    transform: Transform
    dtype: str
    bits: int
    where: Mapping[str, str | int]
    group: int | None = None
    digest: str | None = None
    sketch: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest; defaults are left out."""
        data = asdict(self)
        default = asdict(Transform())
        data["transform"] = {k: v for k, v in asdict(self.transform).items() if v != default[k]}
        data["where"] = dict(self.where)
        return {k: v for k, v in data.items() if v not in ({}, None)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> StoredTensor:
        """Read what ``to_json`` wrote.

        Raises:
          ValueError, KeyError: a field is missing or not of its kind.
        """
        values = plain.mapping(data, "tensor")
        name = plain.text(values["parameter"], "tensor.parameter")
        where = f"tensor {ascii(name)[:60]}"
        places = plain.mapping(values["where"], f"{where}: where")
        if not _VALUES & places.keys() or not all(type(p) in (str, int) for p in places.values()):
            raise plain.PlainDataError(f"{where}: where", places, "a place of its values")
        transform = Transform(**plain.mapping(values.get("transform", {}), where))
        transform = replace(transform, axes=tuple(plain.sequence(transform.axes, where)))
        _check_transform(transform, where, len(plain.sequence(values["shape"], where)))
        group, digest, sketch = (values.get(key) for key in ("group", "digest", "sketch"))
        return StoredTensor(
            parameter=name,
            shape=tuple(
                plain.integer(n, f"{where}: shape", 1, 2**31 - 1)
                for n in plain.sequence(values["shape"], f"{where}: shape")
            ),
            role=plain.text(values["role"], f"{where}: role", get_args(Role)),  # type: ignore[arg-type]
            transform=transform,
            dtype=plain.text(values["dtype"], f"{where}: dtype"),
            bits=plain.integer(values["bits"], f"{where}: bits", 1, 64),
            where=places,
            group=None if group is None else plain.integer(group, f"{where}: group", 1),
            digest=None if digest is None else plain.text(digest, f"{where}: digest"),
            sketch=None if sketch is None else plain.text(sketch, f"{where}: sketch"),
        )


def weights_digest(values: npt.NDArray[np.float32]) -> str:
    """What tells a matrix from any other: 32 hexadecimal digits of its float32 values' sha256.

    Codes and scales decide the values to the last bit, so a reader must find the same.
    """
    # -0.0 and 0.0 are one weight
    plain_zeros = np.ascontiguousarray(values, "<f4") + np.float32(0)
    return hashlib.sha256(repr(values.shape).encode() + plain_zeros.tobytes()).hexdigest()[:32]


def _check_transform(transform: Transform, where: str, ndim: int) -> None:
    plain.text(transform.layout, f"{where}: layout", get_args(Layout))
    axes = [plain.integer(axis, f"{where}: axes", 0, ndim) for axis in transform.axes]
    if sorted(axes) != (list(range(ndim)) if transform.layout == "axes" else []):
        raise plain.PlainDataError(f"{where}: axes", axes, "every axis of its parameter once")
    start = plain.integer(transform.start, f"{where}: start", 0, 2**31 - 1)
    if transform.stop is not None:
        plain.integer(transform.stop, f"{where}: stop", start + 1, 2**31)
    if not 0 < abs(plain.number(transform.factor, f"{where}: factor")) < np.finfo(np.float32).max:
        raise plain.PlainDataError(f"{where}: factor", transform.factor, "a number that divides")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a reader found for one StoredTensor, in the parameter's orientation.

    Attributes:
      values: float32, the weights that the file stands for (factor undone).
      noise: float32, the standard deviation that storing each value may add: by rounding to the
        nearest code, and by folding codes to int8 rows.
      dtype: of the stored values.
      stored_bits: values and their scales together.
      digest: of the weights with the exporter's factor in them (``weights_digest``); None where
        none is ever stated.
      group: inputs per scale, None for floats.
    """

    values: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float32]
    dtype: str
    stored_bits: int
    digest: str | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One weight of a file as the audit reports it."""

    parameter: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    bits: int
    stored_bits: int
    #: distance of the weights from the source's, in standard deviations of the storage noise:
    #: root mean square and largest over rows and columns; None without sketches
    deviation_rms: float | None = None
    deviation_max: float | None = None
    #: inputs per scale as found in the file, None for floats
    group: int | None = None
    #: estimated distance of the weights from the source's, as a share of the source's
    distance: float | None = None
    #: the most that the distance may be; None where the deviations are judged instead
    distance_limit: float | None = None


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What was found in a file.

    Attributes:
      operators: operator name -> count, over all signatures.
      tensors: the weights.
      effective_bits: stored bits of all weights, scales included, per weight.
      fingerprint: sha256 of the graph without its weights.
      partitions: XNNPACK partitions by signature (TFLite; empty elsewhere).
      outside: operators that the delegate did not take, by signature.
      runtime: what the file needs: runtime, oldest version, operator sets.
      problems: everything that is not as the recipe says; empty for a good file.
      derived: constants of weight size that hold no weights.
    """

    operators: dict[str, int]
    tensors: tuple[TensorRecord, ...]
    effective_bits: float
    fingerprint: str
    runtime: dict[str, Any]
    partitions: dict[str, int] = field(default_factory=dict)
    outside: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    derived: tuple[str | int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest: counts instead of the tensors."""
        kinds: dict[str, int] = {}
        for record in self.tensors:
            key = f"{record.role}:{record.dtype}"
            kinds[key] = kinds.get(key, 0) + 1
        known = [r for r in self.tensors if r.distance is not None and r.role != "vector"]
        farthest = max(known, key=lambda r: r.distance or 0.0, default=None)
        return {
            "operators": self.operators,
            "tensor_types": kinds,
            "farthest": {}
            if farthest is None
            else {
                "parameter": farthest.parameter,
                "distance": round(farthest.distance or 0.0, 4),
            },
            "effective_bits": round(self.effective_bits, 4),
            "fingerprint": self.fingerprint,
            "partitions": self.partitions,
            "outside": self.outside,
            "runtime": self.runtime,
            "problems": list(self.problems),
            "derived": list(self.derived),
        }
