"""From options to a mix whose file has a size: what the graph needs counts too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edgekit.converters.mixed.workshop import Mix
from edgekit.converters.quantize.budget import Choice, Option, choose

from edgekit.errors import BudgetError
from edgekit.recipe import Grid

#: parameter -> what it may become, widest first
Options = Mapping[str, list[Option]]

#: bytes of a size budget that may stay unused, as a share
_SLACK = 5e-4
_ROUNDS = 10


def mix_of(choice: Choice, options: Options) -> dict[str, Grid]:
    """The grids of a choice."""
    return {name: Grid.parse(options[name][i].name) for name, i in choice.picks.items()}


def damage_of(mix: Mix, options: Options) -> float:
    """Predicted damage of a mix."""
    return sum(o.damage for n in mix for o in options[n] if o.name == str(mix[n]))


def size_of(mix: Mix, options: Options) -> int:
    """Predicted bytes of a mix's codes and scales."""
    return sum(o.size for n in mix for o in options[n] if o.name == str(mix[n]))


def fit_size(
    options: Options, limit: int, true_size: Callable[[Mix], int]
) -> tuple[dict[str, Grid], Choice, int] | None:
    """The mix of least predicted damage whose file has at most so many bytes.

    What a file holds besides codes and scales is measured: a choice is written, and its true size
    moves the limit for the next, until it fits and leaves next to nothing unused.

    Args:
      options: of every parameter.
      limit: bytes of the file.
      true_size: mix -> bytes of its file.
    Returns:
      the mix, the solver's choice and the true size; None when nothing fits.
    """
    least = smallest(options)
    size = true_size(least)
    if size > limit:
        return None
    best = least, choose(options, max_size=size_of(least, options)), size
    room, ceiling = limit - (size - size_of(least, options)), float("inf")
    for _ in range(_ROUNDS):
        try:
            choice = choose(options, max_size=room)
        except BudgetError:
            break
        mix = mix_of(choice, options)
        size = true_size(mix)
        if size > limit:
            ceiling = min(ceiling, room)
            room -= size - limit
            continue
        if choice.damage < best[1].damage:
            best = mix, choice, size
        spare = limit - size
        wanted = choice.size + spare
        if spare <= _SLACK * limit or not room < wanted < ceiling:
            break
        room = wanted
    return best


def smallest(options: Options) -> dict[str, Grid]:
    """The mix of fewest bytes."""
    return {
        n: Grid.parse(min(o, key=lambda c: (c.size, c.damage)).name) for n, o in options.items()
    }


def with_graph(
    options: Options, roles: Mapping[str, str], true_size: Callable[[Mix], int]
) -> dict[str, list[Option]]:
    """The options with the bytes of what the graph needs around their codes.

    Planes of bits take operators to unpack, a kilobyte or two for each weight: nothing in a large
    model, half of a tiny one. They depend on bits and on scales per row or group, so one file of
    each kind tells.

    Args:
      options: with sizes of codes and scales alone.
      roles: of every parameter.
      true_size: mix -> bytes of its file.
    """
    plain = {n: Grid.parse(o[0].name) for n, o in options.items()}
    nothing = true_size(plain) - size_of(plain, options)
    found = {n: list(o) for n, o in options.items()}
    for role in sorted(set(roles.values())):
        members = [n for n in options if roles[n] == role]
        kinds = {_kind(o.name): o.name for n in members for o in options[n][1:]}
        for kind, name in sorted(kinds.items()):
            have = [n for n in members if any(o.name == name for o in options[n])]
            mix = plain | {n: Grid.parse(name) for n in have}
            more = (true_size(mix) - size_of(mix, options) - nothing) / len(have)
            for n in members:
                found[n] = [
                    replace(o, size=max(1, o.size + round(more))) if _kind(o.name) == kind else o
                    for o in found[n]
                ]
    return found


def _kind(name: str) -> tuple[int, str]:
    grid = Grid.parse(name)
    return grid.bits, grid.grain
