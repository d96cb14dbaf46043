"""Report files: refused before the work when they cannot be written, whole when they appear."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.errors import UsageError, machine_error


def check_report_path(option: str, path: str | None, inside: Path | None = None) -> None:
    """Refuse a path that could not be written after a long run.

    Args:
      option: that named it, for the message.
      path: of the report; None for no report.
      inside: an exported folder whose own files may not be replaced.
    Raises:
      UsageError: it is a folder, its folder does not exist, or it is a file of an export.
    """
    if path is None:
        return
    file = Path(path)
    if file.is_dir() or not file.absolute().parent.is_dir():
        reason = "is a folder" if file.is_dir() else "lies in a folder that does not exist"
        raise UsageError(f"{option} '{path}' {reason}.", "name a file in an existing folder.")
    if inside is not None and file.exists() and file.resolve().parent == inside.resolve():
        raise UsageError(
            f"{option} '{path}' would replace a file of the folder that is checked.",
            "name a file elsewhere.",
        )


def write_report(path: str | Path, text: str) -> None:
    """Write UTF-8 text by one rename.

    Raises:
      MachineError: the system refused.
    """
    file = Path(path)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise machine_error(f"writing '{file}'", error) from error
