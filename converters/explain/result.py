"""What ``explain`` finds: plain data, and the one sentence that closes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekit.parity.metrics import Interval
from edgekit.report.explained import size_text

#: share of the file's loss by which the simulation may miss it before that is said
TRUSTED = 0.1
#: losses below this are the last bits of float32
NOTHING = 1e-6
#: share of the file's bytes up to which the largest win is named, not the best per byte
CHEAP = 0.01


@dataclass(frozen=True, slots=True)
class Shares:
    """What each part of a file costs alone, as 1 - mean cosine of the model's output.

    Attributes:
      matrices: their effective weights, with the biases that quantization corrected.
      tables: looked-up tables, those that are multiplied too (tied) among them.
      activations: inputs of products rounded as the kernels round them, weights float.
      all: everything; parts that make up for each other give less than their sum.
      simulated: the mean cosine with everything, with its interval.
      file: the same of the written file, run in a fresh process.
    """

    matrices: float
    tables: float
    activations: float
    all: float
    simulated: Interval
    file: Interval

    @property
    def loss(self) -> float:
        """1 - mean cosine of the written file."""
        return 1 - self.file.mean

    @property
    def missed(self) -> float:
        """How far the simulation is from the file, as a share of the file's loss."""
        apart = abs(self.all - self.loss)
        return 0.0 if apart < NOTHING else apart / max(self.loss, NOTHING)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the source.

    Attributes:
      name: as the checkpoint names the module.
      matrices: how many of its weights are stored in codes.
      calls: how often one run uses it; its last output is measured.
      weights_cosine, weights_sqnr: its output with everything before it and itself quantized,
        activations float: mean cosine of tokens, and signal to noise in dB.
      cosine, sqnr: the same with activations rounded.
      adds: 1 - mean cosine of the model's output with this block alone as in the file.
      wins: mean cosine that the file would win with this block as in the source.
    """

    name: str
    matrices: int
    calls: int
    weights_cosine: float | None
    weights_sqnr: float | None
    cosine: float | None
    sqnr: float | None
    adds: float
    wins: float


@dataclass(frozen=True, slots=True)
class Raise:
    """One matrix at more bits.

    Attributes:
      bits: of its codes.
      method: that made them; less text or none was looked at than an export would, so ``wins`` is
        a lower bound.
      bytes: more in the file.
      wins: mean cosine of the model's output that is won, paired over examples.
    """

    bits: int
    method: str
    bytes: int
    wins: Interval


@dataclass(frozen=True, slots=True)
class Matrix:
    """One matrix or table.

    Attributes:
      name: of the parameter.
      block: that holds it.
      role: what the graph does with it ("matrix", "table", "tied", "kernel").
      bits, group: of its codes, inputs per scale.
      cols: inputs of a row.
      bytes: of codes and scales in the file.
      estimate: cosine won by its return to float as the gradient foretells it.
      wins: the same, measured; None where the estimate left it out.
      raises: what more bits would cost and win, for the worst.
    """

    name: str
    block: str
    role: str
    bits: int
    group: int | None
    cols: int
    bytes: int
    estimate: float
    wins: Interval | None
    raises: tuple[Raise, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the quality of one exported file went.

    Attributes:
      file, recipe, target, size_bytes: the file.
      source: name of the checkpoint.
      texts: how many; none of them was seen by calibration.
      shares: None for files that hold no codes.
      blocks: in order of execution.
      matrices: every matrix and table, worst first.
      notes: what was chosen, and what to be careful with.
    """

    file: str
    recipe: str
    target: str
    size_bytes: int
    source: str
    texts: int
    shares: Shares | None
    blocks: tuple[Block, ...]
    matrices: tuple[Matrix, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Where most of the loss is, and what would win some of it back."""
        if self.shares is None:
            return (
                f"{self.file} holds no codes ({self.recipe}): quantization lost nothing, and there "
                "is nothing to explain."
            )
        if self.shares.loss < NOTHING:
            return f"{self.file} loses nothing that could be measured."
        return f"{_where(self)}; {_remedy(self)}."

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self)
        if self.shares is not None:
            data["shares"] |= {"loss": self.shares.loss, "missed": self.shares.missed}
        return {**data, "sentence": self.sentence}


def short(number: float) -> str:
    """A small loss or gain as text, four decimals and two digits at least: 0.0043, 0.00012."""
    if abs(number) < NOTHING:
        return "0"
    exponent = int(f"{abs(number):e}".split("e")[1])
    return f"{number:.{max(4, 1 - exponent)}f}"


def _where(found: Explanation) -> str:
    shares = found.shares
    assert shares is not None
    parts = {
        "the matrices": shares.matrices,
        "the tables": shares.tables,
        "rounded activations": shares.activations,
    }
    worst = max(parts, key=lambda name: parts[name])
    share = parts[worst] / max(sum(max(0.0, part) for part in parts.values()), NOTHING)
    how = "Most" if share > 0.5 else "The largest part"
    text = f"{how} of the loss of {short(shares.loss)} is in {worst} ({share:.0%} of the parts)"
    holders = {m.block for m in found.matrices if m.role not in ("table", "tied")}
    blocks = [block for block in found.blocks if block.wins > 0 and block.name in holders]
    if worst == "the matrices" and len(holders) > 1 and blocks:
        text += f", first of all in {max(blocks, key=lambda block: block.wins).name}"
    return text


def _remedy(found: Explanation) -> str:
    tried = [matrix for matrix in found.matrices if matrix.raises]
    if not tried:
        return "the matrices that cost most have 8 bits already"
    choices = [(m, r) for m in found.matrices for r in m.raises if r.wins.low > 0]
    if not choices:
        return f"none of its {len(tried)} worst matrices wins more at more bits than chance would"
    cheap = [pair for pair in choices if pair[1].bytes < CHEAP * found.size_bytes]
    if cheap:
        matrix, best = max(cheap, key=lambda pair: pair[1].wins.mean)
    else:
        matrix, best = max(choices, key=lambda pair: pair[1].wins.mean / max(1, pair[1].bytes))
    return (
        f"raising {matrix.name} to {best.bits} bits costs {size_text(best.bytes)} "
        f"and wins {short(best.wins.mean)}"
    )
