"""The JDK's compiler, for the scripts beside this one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class MissingToolError(Exception):
    """A tool that a script needs is not installed."""


def tool(name: str) -> str:
    """Path of a program of the JDK.

    Raises:
      MissingToolError: it is not on the PATH.
    """
    if found := shutil.which(name):
        return found
    raise MissingToolError(f"no {name} on the PATH: install openjdk-17-jdk-headless.")


def sources(folder: Path) -> list[Path]:
    """All Java files below a folder."""
    return sorted(folder.rglob("*.java"))


def compile_java(files: list[Path], classes: Path, class_path: list[Path]) -> None:
    """Compile as Java 17 with every warning an error.

    Args:
      files: what to compile; each part sees only ``class_path``, so that core cannot use Android.
      classes: folder to appear, for the result.
      class_path: jars, and folders of what was compiled before.
    Raises:
      MissingToolError: there is no JDK.
      CalledProcessError: it does not compile; javac has said why.
    """
    classes.mkdir()
    command = [tool("javac"), "-Xlint:all", "-Werror", "--release", "17", "-encoding", "UTF-8"]
    path = os.pathsep.join(map(str, class_path)) or str(classes)
    subprocess.run([*command, "-cp", path, "-d", str(classes), *map(str, files)], check=True)
