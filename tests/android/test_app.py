"""android_demo/app without an Android SDK: types, resources, manifest and versions agree."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

DEMO = ROOT / "android_demo"
MAIN = DEMO / "app" / "src" / "main"
ANDROID = "{http://schemas.android.com/apk/res/android}"
#: Debian's aapt2 comes with the framework's resources of API 29
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
JARS = Path(os.environ.get("EDGEKIT_JARS", "/usr/share/java"))
JUNIT = [JARS / "junit4.jar", JARS / "hamcrest-all.jar"]
needs_jdk = pytest.mark.skipif(
    shutil.which("javac") is None, reason="no JDK on the PATH: install openjdk-17-jdk-headless"
)


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO / "check_app.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def java(name: str) -> str:
    return f"app/src/main/java/dev/edgekit/demo/{name}.java"


def app_sources() -> list[Path]:
    return sorted((MAIN / "java").rglob("*.java"))


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEMO))  # as when it runs as a script: jdk.py lies beside it
        return importlib.import_module("check_app")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    # not what a build may have left there, which can be large
    ignored = shutil.ignore_patterns("build", "assets", ".gradle")
    return Path(shutil.copytree(DEMO, tmp_path / "android_demo", ignore=ignored))


@needs_jdk
def test_the_app_compiles_against_the_stubs() -> None:
    done = check(DEMO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert f"the app's {len(app_sources())} files compile" in done.stdout


@needs_jdk
@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        # a wrong type, a method that a runtime does not have, an exception that nobody handles
        (java("Latency"), "return middle / 1e6;", 'return "fast";', "incompatible types"),
        (java("LiteRtRunner"), "runSignature", "runSignatures", "cannot find symbol"),
        (java("OnnxRunner"), "catch (OrtException error)", "catch (RunException error)", "OrtExc"),
        # a warning is an error too
        (java("BundleStore"), "AssetSource assets;", "java.util.List assets;", "rawtypes"),
        # resources are types as well
        ("app/src/main/res/values/strings.xml", 'name="cosine"', 'name="cosinus"', "cosine"),
        # core must not know Android, though the app does
        (
            "core/src/main/java/dev/edgekit/core/Row.java",
            "import java.util.Arrays;",
            "import android.view.View;import java.util.Arrays;",
            "android.view",
        ),
    ],
)
def test_a_planted_mistake_is_found(copy: Path, path: str, old: str, new: str, said: str) -> None:
    text = (copy / path).read_text(encoding="utf-8")
    assert old in text
    (copy / path).write_text(text.replace(old, new), encoding="utf-8")
    done = check(copy)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_without_a_jdk_one_sentence_and_exit_code_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = check(DEMO)
    assert done.returncode == 6
    assert done.stderr == "no javac on the PATH: install openjdk-17-jdk-headless.\n"


def test_the_manifest_names_an_activity_that_exists() -> None:
    root = ElementTree.parse(MAIN / "AndroidManifest.xml").getroot()
    activities = root.findall("./application/activity")
    assert [one.attrib[f"{ANDROID}name"] for one in activities] == [".MainActivity"]
    text = (DEMO / java("MainActivity")).read_text(encoding="utf-8")
    assert "public final class MainActivity extends Activity" in text
    # the name is relative to the namespace of the build file
    assert 'namespace = "dev.edgekit.demo"' in (DEMO / "app" / "build.gradle.kts").read_text()
    assert not root.findall("uses-permission")


def test_every_resource_that_code_or_xml_names_exists() -> None:
    defined = set()
    for path in sorted((MAIN / "res").rglob("*.xml")):
        root = ElementTree.parse(path).getroot()
        if path.parent.name == "values":
            defined |= {(one.tag, one.attrib["name"]) for one in root}
        else:
            defined.add((path.parent.name, path.stem))
        text = path.read_text(encoding="utf-8")
        defined |= {("id", name) for name in re.findall(r"@\+id/(\w+)", text)}
    used = set()
    for path in app_sources():
        used |= set(re.findall(r"\bR\.(\w+)\.(\w+)", path.read_text(encoding="utf-8")))
    for path in MAIN.rglob("*.xml"):
        used |= set(re.findall(r'"@(\w+)/(\w+)"', path.read_text(encoding="utf-8")))
    assert used
    assert used <= defined
    # and nothing lies there for nobody
    assert {one for one in defined if one[0] == "string"} <= used


def test_versions_are_exact_and_stand_in_one_place() -> None:
    catalogue = tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text(encoding="utf-8"))
    versions = catalogue["versions"]
    assert all(re.fullmatch(r"\d+(\.\d+){1,2}", one) for one in versions.values()), versions
    entries = [*catalogue["libraries"].values(), *catalogue["plugins"].values()]
    # a reference each: no version of its own, none without, none unused
    assert {one["version"]["ref"] for one in entries} == set(versions)
    for path in DEMO.rglob("*.gradle.kts"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'"[\w.-]+:[\w.-]+:[^"]*"', text), path
    wrapper = (DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
    assert re.search(r"/gradle-\d+\.\d+\.\d+-bin\.zip$", wrapper, re.MULTILINE)


@pytest.mark.parametrize(
    ("package", "file"), [("ai.onnxruntime", "OnnxRunner"), ("org.tensorflow", "LiteRtRunner")]
)
def test_one_file_knows_a_runtime(package: str, file: str) -> None:
    found = [path.stem for path in app_sources() if package in path.read_text(encoding="utf-8")]
    assert found == [file]


def test_models_are_stored_and_their_folders_ignored() -> None:
    build = (DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    assert 'noCompress += listOf("onnx", "tflite")' in build
    folders = re.findall(r'\("(model-\w+)"', (DEMO / java("Target")).read_text(encoding="utf-8"))
    ignored = (DEMO / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert len(folders) == 2
    assert {f"app/src/main/assets/{name}/" for name in folders} <= set(ignored)


@needs_jdk
@pytest.mark.skipif(
    not all(jar.is_file() for jar in JUNIT), reason="no JUnit: install junit4 and libhamcrest-java"
)
def test_the_parts_without_android_run_on_a_jvm(checker: ModuleType, tmp_path: Path) -> None:
    core, stubs, app, tests = (tmp_path / name for name in ("core", "stubs", "app", "tests"))
    names = tmp_path / "R.java"
    names.write_text(checker.r_class(checker.resources(MAIN / "res")), encoding="utf-8")
    checker.compile_java(checker.sources(DEMO / "core" / "src" / "main" / "java"), core, [])
    checker.compile_java(checker.sources(DEMO / "stubs"), stubs, [])
    checker.compile_java([names, *app_sources()], app, [core, stubs])
    files = checker.sources(DEMO / "app" / "src" / "test" / "java")
    checker.compile_java(files, tests, [core, app, *JUNIT])
    # the stand-ins are left out: what runs here must do without Android
    path = os.pathsep.join(map(str, [core, app, tests, *JUNIT]))
    classes = [f"dev.edgekit.demo.{file.stem}" for file in files]
    done = subprocess.run(
        ["java", "-cp", path, "org.junit.runner.JUnitCore", *classes],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "OK (10 tests)" in done.stdout


@pytest.mark.skipif(
    shutil.which("aapt2") is None or not FRAMEWORK.is_file(),
    reason="no resource compiler: install aapt and android-framework-res",
)
def test_resources_and_manifest_link_against_the_framework(
    checker: ModuleType, tmp_path: Path
) -> None:
    def aapt2(*words: str | Path) -> None:
        done = subprocess.run(["aapt2", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    # Gradle puts the package in
    text = (MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    manifest = tmp_path / "AndroidManifest.xml"
    manifest.write_text(text.replace("<manifest ", '<manifest package="dev.edgekit.demo" '))
    packed = tmp_path / "res.zip"
    aapt2("compile", "--dir", MAIN / "res", "-o", packed)
    aapt2(
        "link", "-I", FRAMEWORK, "--manifest", manifest, "--min-sdk-version", "26",
        "--target-sdk-version", "29", "--java", tmp_path, "-o", tmp_path / "app.apk", packed,
    )  # fmt: skip
    real = (tmp_path / "dev" / "edgekit" / "demo" / "R.java").read_text(encoding="utf-8")
    ours = checker.r_class(checker.resources(MAIN / "res"))
    names = re.compile(r"static (?:final )?(?:class|int) (\w+)")
    assert names.findall(real) == names.findall(ours)
