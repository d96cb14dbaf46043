"""The base that an adapter belongs to: given, or found on this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from edgekit.converters.sources.adapter import Adapter
from edgekit.converters.sources.resolve import from_cache, resolve

from edgekit.errors import CheckpointError

_CACHED_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class FoundBase:
    """A base model.

    Attributes:
      folder: where it lies.
      name: folder name or hub id: never a path of this machine.
      by: "given", "adapter_config.json" or "hub cache".
    """

    folder: Path
    name: str
    by: str


def find_base(adapter: Adapter, places: Sequence[Path], given: str | None) -> FoundBase:
    """The base of an adapter.

    Args:
      adapter: names its base in ``base_model_name_or_path``.
      places: folders of the adapter, innermost first; a relative or foreign path is looked for
        in each, beside each, and from the current folder (where peft looks).
      given: the user's own word; nothing is searched then.
    Raises:
      CheckpointError: not on this machine. Nothing is fetched that was not named by the user.
    """
    if given is not None:
        folder = resolve(given)
        return FoundBase(folder, _name(given), "given")
    named = adapter.settings.base
    if not named:
        raise CheckpointError(
            f"the adapter '{adapter.folder}' does not say what its base is.",
            "name the base, a folder or hub id, with --base.",
        )
    tail = PureWindowsPath(named).name  # splits at both kinds of slash
    for place in (Path(), *places, *(p.resolve().parent for p in places)):
        # an absolute path stays itself when joined
        for candidate in (place / named, place / (tail or named)):
            if _is_other_folder(candidate, places):
                return FoundBase(candidate, _name(str(candidate)), "adapter_config.json")
    cached = from_cache(named) if _CACHED_ID.fullmatch(named) else None
    if cached is not None:
        return FoundBase(cached, named, "hub cache")
    raise CheckpointError(
        f"the base '{named}' of the adapter '{adapter.folder}' is not on this machine.",
        f"name it with --base: a folder{f', or the hub id {named}' if '/' in named else ''}.",
    )


def _is_other_folder(candidate: Path, places: Sequence[Path]) -> bool:
    try:
        return candidate.is_dir() and candidate.resolve() not in [p.resolve() for p in places]
    except (OSError, RuntimeError, ValueError):  # too long, a loop of links, a zero byte
        return False


def _name(model: str) -> str:
    path = Path(model).expanduser()
    return path.resolve().name if path.exists() else model
