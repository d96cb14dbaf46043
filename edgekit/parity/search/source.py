"""Who stands for the source in a search: the checkpoint in torch, or a float32 file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.manifest import FileEntry, Manifest
from edgekit.parity.golden import Golden
from edgekit.parity.search.runner import FileRunner, SourceRunner
from edgekit.parity.search.trial import Remembered
from edgekit.parity.validate import FileVerdict, check_file


class Sources:
    """Chooses and opens what a file is held against; each is opened once.

    Args:
      folder, manifest, golden: the export.
      verdicts: of files that were checked already, by path.
      reference, base: the checkpoint, or None for a float32 file of the folder.
      level: CPU level that files run on.
      stack: closes what is opened here.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        golden: Golden,
        verdicts: Mapping[str, FileVerdict],
        reference: str | None,
        base: str | None,
        level: str,
        stack: ExitStack,
    ) -> None:
        self._folder, self._manifest, self._golden = folder, manifest, golden
        self._verdicts = dict(verdicts)
        self._reference, self._base, self._level = reference, base, level
        self._stack = stack
        self._open: dict[str, Remembered] = {}

    def source_for(self, entry: FileEntry) -> tuple[Remembered, str] | None:
        """What a file is held against, and its target ("" for the checkpoint).

        Returns:
          None for a float32 file that has no other one beside it: it is the stand-in itself.
        Raises:
          UsageError: there is neither a checkpoint nor a float32 file that passes its gates.
        """
        contract = self._manifest.contract
        if self._reference is not None:
            if "" not in self._open:
                from edgekit.converters.api import open_source

                model = open_source(self._reference, contract=contract, base=self._base)
                source = SourceRunner(model.session, contract)
                self._open[""] = Remembered(source, f"{model.name} in torch")
            return self._open[""], ""
        fitting = [e for e in self._manifest.files if e.recipe == "fp32" and e.path != entry.path]
        # onnx first: it runs whole batches at any length
        for other in sorted(fitting, key=lambda e: (e.target != "onnx", e.path)):
            if self._passes(other):
                if other.path not in self._open:
                    file = FileRunner(self._folder / other.path, contract, self._level)
                    runner = self._stack.enter_context(file)
                    self._open[other.path] = Remembered(runner, other.path)
                return self._open[other.path], other.target
        if entry.recipe == "fp32" and not fitting:
            return None
        found = f"{fitting[0].path} fails its own gates" if fitting else "the folder has none"
        raise UsageError(
            f"--search holds {entry.path} against its source or a float32 file, and {found}.",
            "add --reference MODEL with the checkpoint, or export with --recipe fp32 as well.",
        )

    def _passes(self, entry: FileEntry) -> bool:
        """Whether a file's own checks let it stand for the source."""
        if entry.path not in self._verdicts:
            self._verdicts[entry.path] = check_file(
                self._folder, entry, self._manifest, self._golden, level=self._level
            )
        return self._verdicts[entry.path].passed
