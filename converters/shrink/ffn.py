"""Where the FFNs of a model are: found by what changes shape when the config has another width.

Two models without memory are made, one of them with 16 neurons more; the tensors that differ are
the FFNs' own, whatever their names. A width is one when they are linear layers that come in pairs:
rows of one or two first matrices (or of a fused one), columns of the second.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from edgekit.converters.quantize.calibration import model_prefix
from edgekit.converters.quantize.walk import Batch, Course, find_course
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import UnsupportedError

#: neurons more in the second model; every kernel's multiple
_MORE = 16
#: config values that are None by default and mean "four times the hidden size" then
_UNSET = ("n_inner", "intermediate_size")


@dataclass(frozen=True, slots=True)
class Ffn:
    """One FFN.

    Attributes:
      key: config value that holds its width.
      width: neurons, F.
      firsts: module names of the linear layers whose outputs make the neurons: [F, in] each, or
        one [2F, in] with the gates in one half of the rows and the values in the other.
      second: module name of the linear layer [out, F].
    """

    key: str
    width: int
    firsts: tuple[str, ...]
    second: str


@dataclass(frozen=True, slots=True)
class _Width:
    """What one config value decides: module names by role."""

    key: str
    value: int
    firsts: frozenset[str]
    seconds: frozenset[str]


def find_ffns(checkpoint: Checkpoint, batch: Batch) -> tuple[tuple[Ffn, ...], Course]:
    """All FFNs in the order of execution, and the way through their second matrices.

    Args:
      checkpoint: opened.
      batch: a little text; the module is run on it once.
    Returns:
      the FFNs, module names within ``checkpoint.module``, and the stages of their seconds.
    Raises:
      UnsupportedError: there are none that can be cut, with the reason.
    """
    if checkpoint.module is None or checkpoint.model is None:
        raise UnsupportedError("this source has no torch module to prune.")
    contract = checkpoint.contract
    if contract.generation is not None and contract.generation.start_id is not None:
        raise _refusal(checkpoint, "calibration text says nothing of what its decoder reads")
    widths = [w for w in _widths(checkpoint.model) if w is not None]
    if not widths:
        raise _refusal(
            checkpoint,
            "no value of its config is the width of FFNs of two or three plain linear layers each",
        )
    before = model_prefix(checkpoint)
    names = {f"{before}{n}.weight" for w in widths for n in (*w.firsts, *w.seconds)}
    course = find_course(checkpoint.module, batch, names)
    if course.repeated:
        raise _refusal(checkpoint, "several of its layers share one FFN")
    ffns = tuple(_paired(checkpoint, widths, before, course))
    seconds = {f"{ffn.second}.weight" for ffn in ffns}
    return ffns, find_course(checkpoint.module, batch, seconds)


def _paired(
    checkpoint: Checkpoint, widths: list[_Width], before: str, course: Course
) -> Iterator[Ffn]:
    """First layers belong to the next second one that runs."""
    roles = {f"{before}{n}": w for w in widths for n in (*w.firsts, *w.seconds)}
    seconds = {f"{before}{n}" for w in widths for n in w.seconds}
    waiting: list[str] = []
    used: set[str] = set()
    for name in (n.removesuffix(".weight") for stage in course.stages for n in stage.names):
        used.add(name)
        if name not in seconds:
            waiting.append(name)
            continue
        width = roles[name]
        rows = sum(linear_layer(checkpoint.module, n).out_features for n in waiting)
        own = all(roles[n] is width for n in waiting)
        if not own or rows not in (width.value, 2 * width.value):
            raise _refusal(checkpoint, f"what '{name}' multiplies is not its FFN's alone")
        yield Ffn(width.key, width.value, tuple(waiting), name)
        waiting = []
    if waiting or used != set(roles):
        raise _refusal(checkpoint, "a run does not go through all of its FFNs (experts)")


def _widths(model: Any) -> Iterator[_Width | None]:
    """The config's values that are the width of FFNs."""
    linear = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    inputs = {layer.in_features for layer in linear.values()}
    config = model.config
    plain = _shapes(model, config)
    for key in config.to_dict():
        value = getattr(config, key, None)
        if value is None and key in _UNSET:
            yield from (_width(model, key, w, linear, plain) for w in sorted(inputs))
        elif type(value) is int and value in inputs:
            yield _width(model, key, value, linear, plain)


def _width(
    model: Any, key: str, value: int, linear: dict[str, Any], plain: dict[str, tuple[int, ...]]
) -> _Width | None:
    """What that value decides, or None where it is no width of FFNs."""
    config = copy.deepcopy(model.config)
    try:
        setattr(config, key, value + _MORE)
        wider = _shapes(model, config)
    except Exception:  # transformers raises whatever a value that does not fit leads to
        return None
    if set(wider) != set(plain):
        return None
    firsts, seconds, biases, rows = set(), set(), set(), 0
    for name, shape in wider.items():
        if shape == plain[name]:
            continue
        module, _, kind = name.rpartition(".")
        grown = tuple(np.subtract(shape, plain[name]))
        if module not in linear:
            return None
        if kind == "bias":
            biases.add(module)
        elif grown == (0, _MORE) and plain[name][1] == value:
            seconds.add(module)
        elif grown in ((_MORE, 0), (2 * _MORE, 0)) and plain[name][0] * _MORE == grown[0] * value:
            firsts.add(module)
            rows += plain[name][0]
        else:
            return None
    # three first matrices are the queries, keys and values of an attention with one head
    if not seconds or not biases <= firsts or not 0 < rows <= 2 * value * len(seconds):
        return None
    return _Width(key, value, frozenset(firsts), frozenset(seconds))


def _shapes(model: Any, config: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of a model of that config by parameter name, [out, in] where layers are linear."""
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        made = type(model)(config)
    turned = {f"{n}.weight" for n, m in made.named_modules() if isinstance(m, Conv1D)}
    return {
        name: tuple(value.shape)[::-1] if name in turned else tuple(value.shape)
        for name, value in made.named_parameters()
    }


def linear_layer(module: Any, name: str) -> torch.nn.Linear:
    """The linear layer of that name in a module."""
    layer = module.get_submodule(name)
    assert isinstance(layer, torch.nn.Linear)
    return layer


def _refusal(checkpoint: Checkpoint, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"the FFNs of '{checkpoint.name}' ({checkpoint.contract.architecture}) cannot be pruned: "
        f"{reason}.",
        "quantize it: `edgekit export` takes it as it is.",
    )
