"""edgekit.toml: a team's bounds, beside its code. Options go before it, the built-in table after.

[parity]                 # of `edgekit validate`, every file
cosine_mean = 0.98

[parity.w8c_a8]          # files of one recipe, or of a class of recipes ("w4")
cosine_mean = 0.998

[compare]                # of `edgekit compare`, named like its options
max-size-growth = "1%"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from edgekit.errors import ConfigError, first_line

CONFIG_NAME = "edgekit.toml"
#: keys of [compare]: those of the command's options
LIMITS = ("max-size-growth", "max-cosine-loss", "max-agreement-loss", "max-slowdown")


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file says.

    Attributes:
      path: where it was read; None when there is none.
      parity: "metric" or "recipe.metric" -> bound, as ``edgekit.validate`` takes them.
      compare: limit -> share, number or text ("1%").
    """

    path: Path | None = None
    parity: dict[str, float] = field(default_factory=dict)
    compare: dict[str, float | str] = field(default_factory=dict)

    def thresholds(self, options: Mapping[str, float]) -> dict[str, float]:
        """The file's bounds with the options' in their place.

        An option for a metric of all files drops the file's bounds of that metric, those of single
        recipes too: what was typed last holds.
        """
        kept = {
            key: value
            for key, value in self.parity.items()
            if key not in options and key.rpartition(".")[2] not in options
        }
        return {**kept, **options}


def read_config(path: str | None) -> Config:
    """The named file, or edgekit.toml of the current folder, or nothing.

    Raises:
      ConfigError: a named file is missing, or the file is not what it should be.
    """
    file = Path(path) if path is not None else Path(CONFIG_NAME)
    if path is None and not file.is_file():
        return Config()
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"'{file}' cannot be read ({error.strerror}).", "name an existing file with --config."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"'{file}' is no TOML: {first_line(error)}.", "see docs/ci.md for an example."
        ) from error
    _known(file, "table", data, ("parity", "compare"))
    return Config(file, _parity(file, data.get("parity", {})), _compare(file, data))


def _parity(file: Path, table: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in _table(file, "parity", table).items():
        if isinstance(value, dict):
            for metric, bound in value.items():
                found[f"{key}.{metric}"] = _number(file, f"parity.{key}.{metric}", bound)
        else:
            found[key] = _number(file, f"parity.{key}", value)
    return found


def _compare(file: Path, data: Mapping[str, Any]) -> dict[str, float | str]:
    table = _table(file, "compare", data.get("compare", {}))
    _known(file, "key of [compare]", table, LIMITS)
    return {
        key: value if isinstance(value, str) else _number(file, f"compare.{key}", value)
        for key, value in table.items()
    }


def _known(file: Path, kind: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(set(table) - set(names)):
        raise ConfigError(
            f"'{file}': '{unknown[0]}' is no known {kind}.", f"known: {', '.join(names)}."
        )


def _table(file: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"'{file}': {name} is no table.", f"write [{name}] above its keys.")
    return value


def _number(file: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ConfigError(
            f"'{file}': {name} is {ascii(value)[:40]}, a finite number is expected.", ""
        )
    return float(value)
