"""Recipes: how a file is quantized, and how it is named.

Grammar (one place for parsing and printing)::

    recipe     := "fp32" | compute embedding? method? | "mix-" budget "_a8"? method?
    compute    := "fp16" | "w" k grain "z"? "_a8"?
    grain      := "c" | "t" | "g" n          per output channel, per tensor, groups of n inputs
    embedding  := "+e" ("16" | "32" | k ("c" | "g" n) "z"?)
    method     := "@" name                   [a-z][a-z0-9-]*
    budget     := number ("B" | "KB" | "MB" | "GB" | "KiB" | "MiB" | "GiB") | metric number
    k          := 2..8

A mix has a grid of its own for every matrix and table, found for a budget: ``mix-12MB_a8`` is the
best file of at most 12 MB, ``mix-cosine0.01`` the smallest that loses at most 0.01. Its name says
what was asked for; the grids are in ``Recipe.mix`` and, parameter by parameter, in the manifest.
``w8c_a8`` means 8-bit weights with one scale per output channel, and activations quantized to
int8 per token at run time. Left out, ``+e`` is ``+e8c`` beside quantized weights, ``+e16`` beside
``fp16``. The canonical text leaves defaults out, so equal recipes have equal names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from edgekit.errors import RecipeSyntaxError

Grain = Literal["channel", "tensor", "group"]
FloatFormat = Literal["fp32", "fp16"]
Codes = Literal["symmetric", "full", "signed"]
ScaleFormat = Literal["float32", "float16", "bfloat16", "int8"]

MIN_BITS, MAX_BITS = 2, 8

#: Named recipes, by target. All compute on integers. On MiniLM and text that calibration never saw
#: (benchmarks/kbit_quality.py): ``fast`` loses 0.001 of the cosine in a quarter of float32's bytes,
#: ``small`` about 0.01 in a seventh, ``tiny`` 0.015 to 0.03 in an eighth.
PRESETS = {
    "fast": {"onnx": "w8c_a8", "tflite": "w8c_a8"},
    "small": {"onnx": "w4g16_a8+e4g32", "tflite": "w4g32_a8+e4g32"},
    "tiny": {"onnx": "w3g16_a8+e4g32", "tflite": "w4c_a8+e4c"},
}

_GRAMMAR = re.compile(
    r"(?:(?P<fp32>fp32)"
    r"|(?:(?P<fp16>fp16)|w(?P<k>[0-9]{1,4})(?P<grain>c|t|g(?P<group>[0-9]{1,4}))(?P<z>z)?(?P<a8>_a8)?)"
    r"(?:\+e(?:(?P<efloat>16|32)|(?P<ek>[0-9]{1,4})(?P<egrain>c|g(?P<egroup>[0-9]{1,4}))(?P<ez>z)?))?"
    r"(?:@(?P<method>[a-z][a-z0-9-]*))?)"
)
_MIX = re.compile(
    r"mix-(?P<budget>[0-9]{1,15}(?:\.[0-9]{1,6})?(?:B|[KMG]i?B)|[a-z][a-z0-9-]*?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
    r"(?P<a8>_a8)?(?:@(?P<method>[a-z][a-z0-9-]*))?"
)
_GRID = re.compile(r"(?P<k>[0-9]{1,4})(?P<grain>c|t|g(?P<group>[0-9]{1,4}))(?P<z>z)?")


@dataclass(frozen=True, slots=True)
class Grid:
    """The numbers that a weight may become.

    Attributes:
      bits: bits per code, 2..8.
      grain: what shares a scale: an output channel (a row), the tensor, or a group of inputs.
      group: inputs per group when ``grain`` is "group", else None.
      asymmetric: codes have a zero point per scale.
      max_pair_sum: when set, no two neighbouring codes (inputs 2i and 2i+1) of one sign add up to
        more than this in magnitude. 128 keeps the 16-bit pair sums of x86's ``vpmaddubsw`` from
        saturating for every uint8 activation: 255 * 128 = 32640 < 32767.
      codes: which of the 2**bits codes are used, and by what scales. "symmetric": all but the
        lowest, scales > 0 (LiteRT's matrices read nothing else alike in all their kernels);
        "full": all, scales > 0; "signed": all, and a scale may be negative, so that the extra
        code serves the longer tail (onnxruntime's kernels allow it). Asymmetric grids use all.
      scales: how a scale is stored, and so what it is rounded to before codes are made: "int8" is
        a signed 8-bit code times one float16 per row; "bfloat16" a number that float16 and
        bfloat16 both hold (XNNPACK turns float16 block scales into bfloat16).
    """

    bits: int
    grain: Grain
    group: int | None = None
    asymmetric: bool = False
    max_pair_sum: int | None = None
    codes: Codes = "symmetric"
    scales: ScaleFormat = "float32"

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and highest code that may be used."""
        high = (1 << (self.bits - 1)) - 1
        lowest_used = self.asymmetric or self.codes != "symmetric"
        return (-high - 1 if lowest_used else -high), high

    def span(self, cols: int) -> int:
        """Inputs per scale of a row of ``cols`` inputs."""
        return self.group if self.grain == "group" and self.group else max(1, cols)

    def bits_per_weight(self, cols: int) -> float:
        """Stored bits of codes, scales and zero points, per weight of a row of ``cols`` inputs."""
        each = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8}[self.scales]
        each += self.bits if self.asymmetric else 0
        per_row = -(-cols // self.span(cols)) * each + (16 if self.scales == "int8" else 0)
        return self.bits + per_row / max(1, cols)

    @staticmethod
    def parse(text: str) -> Grid:
        """Read "4g32", as ``str`` writes it.

        Raises:
          RecipeSyntaxError: the text is no grid.
        """
        match = _GRID.fullmatch(text)
        if match is None:
            raise RecipeSyntaxError(f"'{text}' is no grid.", "examples: 8c, 4g32, 3g16.")
        return _grid(text, match["k"], match["grain"], match["z"])

    def __str__(self) -> str:
        grain = f"g{self.group}" if self.grain == "group" else self.grain[0]
        return f"{self.bits}{grain}{'z' if self.asymmetric else ''}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do with a model's weights and activations.

    Attributes:
      weights: "fp32", "fp16", or the grid of the matrices.
      embeddings: "fp32", "fp16", or the grid of the embedding tables.
      int8_activations: activations are quantized to int8 per token at run time.
      method: the quantization method's name, or None for the best default of that grid.
      budget: what a mix was asked to keep, as its name says it ("12MB", "cosine0.01"); "" for all
        other recipes.
      mix: parameter -> grid of a mix, no part of the name; empty where it is not known yet.
        Parameters that are not in it follow ``weights`` and ``embeddings``, 8 bits per row.
    """

    weights: FloatFormat | Grid
    embeddings: FloatFormat | Grid
    int8_activations: bool = False
    method: str | None = None
    budget: str = ""
    mix: Mapping[str, Grid] = field(default_factory=dict, hash=False)

    @staticmethod
    def parse(text: str, target: str = "onnx") -> Recipe:
        """Read a recipe or preset name.

        Args:
          text: the name.
          target: whose preset is meant; all other names mean the same everywhere.
        Raises:
          RecipeSyntaxError: the text does not follow the grammar, or k or a group is out of range.
        """
        name = PRESETS.get(text, {}).get(target, text)
        mixed = _MIX.fullmatch(name)
        if mixed is not None:
            rows = Grid(8, "channel")
            return Recipe(rows, rows, bool(mixed["a8"]), mixed["method"], mixed["budget"])
        match = _GRAMMAR.fullmatch(name)
        if match is None:
            raise RecipeSyntaxError(
                f"'{text}' is not a recipe.",
                "examples: fp32, fp16, w8c_a8, w4g32, w4g32_a8+e4g32@gptq; "
                f"presets: {', '.join(PRESETS)}; see `edgekit recipes`.",
            )
        part = match.groupdict()
        if part["fp32"]:
            return Recipe("fp32", "fp32")
        weights: FloatFormat | Grid = (
            "fp16" if part["fp16"] else _grid(text, part["k"], part["grain"], part["z"])
        )
        embeddings: FloatFormat | Grid = "fp16" if weights == "fp16" else Grid(8, "channel")
        if part["efloat"]:
            embeddings = "fp16" if part["efloat"] == "16" else "fp32"
        elif part["ek"]:
            embeddings = _grid(text, part["ek"], part["egrain"], part["ez"])
        return Recipe(weights, embeddings, bool(part["a8"]), part["method"])

    def __str__(self) -> str:
        if self.weights == "fp32":
            return "fp32"
        activations = "_a8" if self.int8_activations else ""
        method = f"@{self.method}" if self.method else ""
        if self.budget:
            return f"mix-{self.budget}{activations}{method}"
        text = "fp16" if self.weights == "fp16" else f"w{self.weights}{activations}"
        default: FloatFormat | Grid = "fp16" if self.weights == "fp16" else Grid(8, "channel")
        if self.embeddings != default:
            names = {"fp16": "16", "fp32": "32"}
            text += "+e" + names.get(str(self.embeddings), str(self.embeddings))
        return text + method

    def with_mix(self, mix: Mapping[str, Grid]) -> Recipe:
        """This mix with its grids."""
        return replace(self, mix=dict(mix))

    def wanted(self, parameter: str, role: str) -> FloatFormat | Grid:
        """What one parameter becomes, before a target's kernels have their say.

        Args:
          parameter: its name in the source.
          role: "matrix", "table", "tied", "kernel" or "vector".
        """
        if role == "vector":
            return "fp32"
        if parameter in self.mix:
            return self.mix[parameter]
        if role == "table" or (role == "tied" and isinstance(self.weights, Grid)):
            return self.embeddings
        return self.weights

    @property
    def kind(self) -> str:
        """The recipe's class for thresholds: "fp32", "fp16", or "w<k>" by its narrowest grid."""
        named = self.mix.values() or (self.weights, self.embeddings)
        grids = [g for g in named if isinstance(g, Grid)]
        if grids:
            return f"w{min(g.bits for g in grids)}"
        return "fp16" if "fp16" in (self.weights, self.embeddings) else "fp32"


#: units of a size; decimal megabytes, as stores count them
UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


def max_bytes(budget: str) -> int | None:
    """The bytes that a mix's budget allows ("12MB": 12,000,000), None where it is no size."""
    match = re.fullmatch(r"([0-9.]+)([KMG]?i?B)", budget)
    return None if match is None else int(Decimal(match[1]) * UNITS[match[2]])


def _grid(text: str, bits: str, grain: str, zero: str | None) -> Grid:
    k = int(bits)
    if not MIN_BITS <= k <= MAX_BITS:
        raise RecipeSyntaxError(
            f"recipe '{text}' asks for {k} bits; edgekit stores {MIN_BITS} to {MAX_BITS}.",
            "for float weights use fp16 or fp32.",
        )
    if grain.startswith("g"):
        group = int(grain[1:])
        if group not in (16, 32, 64, 128, 256):
            raise RecipeSyntaxError(
                f"recipe '{text}' asks for groups of {group}; kernels know 16, 32, 64, 128, 256.",
                "w4g32 is the usual choice.",
            )
        return Grid(k, "group", group, bool(zero))
    return Grid(k, "channel" if grain == "c" else "tensor", None, bool(zero))
