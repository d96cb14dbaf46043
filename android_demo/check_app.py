"""Type-check core and the app with the JDK alone: no Gradle, no Android SDK, no downloads.

    python android_demo/check_app.py [FOLDER]

FOLDER is a copy of android_demo/, by default this one. The app is compiled against stubs/: our own
stand-ins for what it uses of Android and of the runtimes. That finds wrong types and missing
resources; it cannot find a stand-in that differs from the real class.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from jdk import MissingToolError, compile_java, sources, tool

HERE = Path(__file__).resolve().parent
PACKAGE = "dev.edgekit.demo"
EXIT_FAILED = 1
EXIT_MACHINE = 6

_NEW_ID = re.compile(r"@\+id/(\w+)")


def resources(res: Path) -> dict[str, set[str]]:
    """Names by kind, as Android's R class has them.

    Args:
      res: the app's folder of resources: values/ and a folder per other kind.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(res.rglob("*.xml")):
        # values-v27 and layout-land only add variants of the same names
        kind = path.parent.name.split("-")[0]
        named = _values(path) if kind == "values" else [(kind, path.stem), *_ids(path)]
        for group, name in named:
            found.setdefault(group, set()).add(name)
    return found


def _values(path: Path) -> Iterator[tuple[str, str]]:
    for element in ElementTree.parse(path).getroot():
        # R spells Theme.Demo as Theme_Demo
        yield element.tag, element.attrib["name"].replace(".", "_")


def _ids(path: Path) -> Iterator[tuple[str, str]]:
    for element in ElementTree.parse(path).iter():
        for value in element.attrib.values():
            if match := _NEW_ID.fullmatch(value):
                yield "id", match[1]


def r_class(names: dict[str, set[str]]) -> str:
    """Java source of a stand-in for R; the numbers mean nothing."""
    lines = [f"package {PACKAGE};", "", "public final class R {"]
    for group, members in sorted(names.items()):
        lines.append(f"    public static final class {group} {{")
        # no constants: in a real R of today they are none either
        for number, name in enumerate(sorted(members)):
            lines.append(f"        public static int {name} = {number};")
        lines.append("    }")
    return "\n".join([*lines, "}", ""])


def check(project: Path) -> int:
    """Compile core, the stand-ins and the app; the number of the app's files.

    Raises:
      MissingToolError: there is no JDK.
      CalledProcessError: something does not compile.
    """
    tool("javac")
    main = project / "app" / "src" / "main"
    with tempfile.TemporaryDirectory(prefix="edgekit-app-") as scratch:
        core, stubs, app = (Path(scratch) / name for name in ("core", "stubs", "app"))
        names = Path(scratch) / "R.java"
        names.write_text(r_class(resources(main / "res")), encoding="utf-8")
        compile_java(sources(project / "core" / "src" / "main" / "java"), core, [])
        compile_java(sources(project / "stubs"), stubs, [])
        files = sources(main / "java")
        compile_java([names, *files], app, [core, stubs])
        return len(files)


def main(folder: Path) -> int:
    """The exit code: 0 passed, 1 failed, 6 no JDK."""
    try:
        files = check(folder)
    except MissingToolError as missing:
        sys.stderr.write(f"{missing}\n")
        return EXIT_MACHINE
    except subprocess.CalledProcessError:
        sys.stderr.write("The app does not compile against the stand-ins.\n")
        return EXIT_FAILED
    sys.stdout.write(f"core, stubs and the app's {files} files compile without a warning.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))
