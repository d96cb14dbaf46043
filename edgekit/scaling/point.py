"""ScalingPoint: what one model of a family scores at one precision."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekit import plain

#: how the weights of the matrices are represented
FORMS = ("int", "float", "quantile", "unquantized")
#: widths at and below which the curves break: they are fitted apart
FEW_BITS = 3


@dataclass(frozen=True, slots=True)
class ScalingPoint:
    """One model at one precision.

    Attributes:
      model: its name.
      parameters: count.
      recipe: of the file; of a simulated data type its name ("float4g32").
      form: of ``FORMS``.
      bits: k of the matrices' weights: 2..8; 16 or 32 of unquantized ones.
      model_bits: of all stored weights, scales and tables included: the paper's x axis.
      size_bytes: of the written file; None of what is simulated, which no file holds.
      losses: nats of each text, summed over its tokens, in the order of the data.
      problems: what the audit found wrong with the file; it is not to be trusted.
    """

    model: str
    parameters: int
    recipe: str
    form: str
    bits: int
    model_bits: float
    size_bytes: int | None
    losses: tuple[float, ...]
    problems: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Weights rounded in torch: no runtime has a kernel for that data type."""
        return self.size_bytes is None

    @property
    def series(self) -> str:
        """The precision's curve: points of one series differ in the model alone."""
        name = f"{self.form} {self.bits} bit"
        if self.form == "unquantized":
            name = f"fp{self.bits}"
        return f"{name}, simulated" if self.simulated else name

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        found = asdict(self)
        return {**found, "losses": list(self.losses), "problems": list(self.problems)}

    @staticmethod
    def from_json(value: Any) -> ScalingPoint:
        """The inverse of ``to_json``.

        Raises:
          ValueError: a field is missing or something else than expected there.
        """
        data = plain.mapping(value, "point")
        try:
            size = data["size_bytes"]
            return ScalingPoint(
                plain.text(data["model"], "model"),
                plain.integer(data["parameters"], "parameters", 1),
                plain.text(data["recipe"], "recipe"),
                plain.text(data["form"], "form", FORMS),
                plain.integer(data["bits"], "bits", 1, 64),
                plain.number(data["model_bits"], "model_bits"),
                None if size is None else plain.integer(size, "size_bytes", 1),
                tuple(plain.number(v, "losses") for v in plain.sequence(data["losses"], "losses")),
                tuple(plain.texts(data["problems"], "problems")),
            )
        except KeyError as error:
            raise ValueError(f"field {error} is missing") from None
