"""Compile android_demo/core with the JDK alone and run its JUnit tests: no Gradle, no downloads.

    python android_demo/run_core_tests.py CORPUS BUNDLES [STORIES]

CORPUS holds a folder per tokenizer (tests/tokenizer_corpus.py), BUNDLES bundles made by `edgekit
bundle`, each with NAME.json beside it: what Python's session gives for some texts. STORIES holds
bundles of language models, each with what Python writes; with it, these alone are tested, and the
other two may be "-".
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from jdk import MissingToolError, compile_java, sources, tool

CORE = Path(__file__).resolve().parent / "core" / "src"
#: names another folder of jars
JARS_VARIABLE = "EDGEKIT_JARS"
#: Debian's folder of jars, and what holds the test libraries there
JARS = Path("/usr/share/java")
NEEDED = {"junit4.jar": "junit4", "hamcrest-all.jar": "libhamcrest-java", "jna.jar": "libjna-java"}
TESTS = ("JsonTest", "ContractTest", "CorpusTest", "EmbeddingTest")
STORY_TESTS = ("WritingTest",)
EXIT_MACHINE = 6


def jars() -> list[Path]:
    """The test libraries.

    Raises:
      MissingToolError: one of them is missing.
    """
    folder = Path(os.environ.get(JARS_VARIABLE, JARS))
    for name, package in NEEDED.items():
        if not (folder / name).is_file():
            raise MissingToolError(f"no {folder / name}: install {package}.")
    return [folder / name for name in NEEDED]


def onnxruntime_library() -> Path:
    """The C library inside the Python package.

    Raises:
      MissingToolError: onnxruntime is not installed.
    """
    found = importlib.util.find_spec("onnxruntime")
    folder = Path(str(found.origin)).parent / "capi" if found else Path()
    for path in sorted(folder.glob("libonnxruntime.so.*")):
        return path
    raise MissingToolError("no libonnxruntime.so: pip install onnxruntime.")


def main(corpus: str, bundles: str, stories: str = "") -> int:
    """Run all tests; JUnit's exit code."""
    tool("javac")
    library, libraries = onnxruntime_library(), jars()
    with tempfile.TemporaryDirectory(prefix="edgekit-java-") as scratch:
        classes, tests = Path(scratch) / "main", Path(scratch) / "test"
        compile_java(sources(CORE / "main"), classes, [])
        compile_java(sources(CORE / "test"), tests, [classes, *libraries])
        path = os.pathsep.join(map(str, [classes, tests, *libraries]))
        names = [f"dev.edgekit.core.{name}" for name in (STORY_TESTS if stories else TESTS)]
        given = {"corpus": corpus, "bundles": bundles, "stories": stories}
        given["onnxruntime"] = str(library)
        properties = [f"-Dedgekit.{key}={value}" for key, value in given.items()]
        command = [tool("java"), "-Dfile.encoding=UTF-8", *properties, "-cp", path]
        done = subprocess.run([*command, "org.junit.runner.JUnitCore", *names], check=False)
        return done.returncode


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(str(__doc__))
    try:
        sys.exit(main(*sys.argv[1:]))
    except MissingToolError as missing:
        sys.stderr.write(f"{missing}\n")
        sys.exit(EXIT_MACHINE)
    except subprocess.CalledProcessError as error:  # javac has said what is wrong
        sys.exit(error.returncode)
