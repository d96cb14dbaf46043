"""Where the parts of a checkpoint lie: weights, tokenizer, adapter and its base."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit.converters.sources.adapter import Adapter, is_adapter, read_adapter
from edgekit.converters.sources.base_model import find_base
from edgekit.converters.sources.tokenizer_files import has_tokenizer
from edgekit.converters.sources.trainer_folder import is_step, take_checkpoint

from edgekit.errors import UnsupportedError, UsageError


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders that a checkpoint is read from; often all the same.

    Attributes:
      model: config.json and weights; of the base, where there is an adapter.
      tokenizer: the first of checkpoint, folder above and base that has one.
      head: modules.json of sentence-transformers would lie here.
      adapter: to be merged into the model, or None.
      source: what the manifest's ``source`` says about it: ``taken_from``, ``base``, ``notes``.
    """

    model: Path
    tokenizer: Path
    head: Path
    adapter: Adapter | None = None
    source: dict[str, Any] = field(default_factory=dict)

    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        """The base's config.json, with the classes that the adapter was trained on."""
        classes = self.adapter.settings.classes if self.adapter else ()
        return {**config, "architectures": list(classes)} if classes else config

    def digests(self, weights: dict[str, str]) -> dict[str, str]:
        """sha256 by file: the model's weights, and what an adapter adds."""
        if self.adapter is None:
            return weights
        return {**self.adapter.sha256, **{f"base/{name}": v for name, v in weights.items()}}

    def manifest_entries(self, tokenizer_notes: list[str]) -> dict[str, Any]:
        """What the manifest's ``source`` says beside digests: where from, base, notes."""
        notes = [*self.source.get("notes", []), *tokenizer_notes]
        entries = {**self.source, **({"notes": notes} if notes else {})}
        if self.adapter is not None:
            entries["adapter_stored_as"] = sorted(self.adapter.stored_as)
        return entries


def find_layout(folder: Path, base: str | None = None) -> Layout:
    """Look at a folder that somebody calls a model.

    Args:
      folder: a checkpoint, an adapter, or Trainer's output folder around one of them.
      base: folder or hub id of an adapter's base; None to go by what the adapter says.
    Raises:
      CheckpointError: nothing whole in it, or the base of an adapter is not found.
      UnsupportedError: an adapter of a kind that is not merged here.
      UsageError: a base was given for a folder that is no adapter.
    """
    taken = take_checkpoint(folder)
    source: dict[str, Any] = {}
    if taken.name:
        source["taken_from"] = taken.name
    places = [taken.folder, folder, *([folder.resolve().parent] if is_step(folder) else [])]
    if not is_adapter(taken.folder):
        if base is not None:
            raise UsageError(
                f"'{folder}' holds a whole model, not an adapter that needs a base.",
                "leave --base out.",
            )
        tokenizer = next((place for place in places if has_tokenizer(place)), taken.folder)
        source |= {"notes": list(taken.notes)} if taken.notes else {}
        return Layout(taken.folder, tokenizer, taken.folder, None, source)
    adapter = read_adapter(taken.folder)
    found = find_base(adapter, places, base)
    under = _base_layout(found.folder)
    tokenizer = next((place for place in places if has_tokenizer(place)), under.tokenizer)
    # a classifier trained on an embedding model is no embedding model any more
    bare = all(name.endswith("Model") for name in adapter.settings.classes)
    own_head = not bare or (taken.folder / "modules.json").is_file()
    notes = [*taken.notes, f"a {adapter.settings.described} was merged into {found.name}"]
    notes += [f"base: {note}" for note in under.source.get("notes", [])]
    source |= {"base": {"name": found.name, "by": found.by}, "notes": notes}
    return replace(
        under,
        tokenizer=tokenizer,
        head=taken.folder if own_head else under.head,
        adapter=adapter,
        source=source,
    )


def _base_layout(folder: Path) -> Layout:
    taken = take_checkpoint(folder)
    if is_adapter(taken.folder):
        raise UnsupportedError(
            f"the base '{folder}' is an adapter itself.",
            "merge it into its own base first (peft: merge_and_unload(), save_pretrained) and "
            "name the result with --base.",
        )
    return find_layout(folder)
