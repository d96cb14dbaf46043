"""Assemble, align, sign and verify an APK that holds bundles, with Debian's tools alone.

    python android_demo/build_apk.py BUNDLE [BUNDLE ...] -o build/android/models.apk

It proves what happens to the model files on their way into an app: stored and not compressed, on a
boundary of four bytes, so that they can be mapped, and byte for byte what the contract says. The
app itself needs the Android SDK and is built by Gradle (README.md); this APK has an empty Activity.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

#: program -> Debian package
TOOLS = {
    "aapt": "aapt", "zipalign": "zipalign", "apksigner": "apksigner", "smali": "smali",
    "keytool": "openjdk-17-jdk-headless",
}  # fmt: skip
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
ALIGNMENT = 4
MODELS = (".onnx", ".tflite")
EXIT_BAD_INPUT, EXIT_MACHINE = 3, 6

MANIFEST = """\
<?xml version="1.0" encoding="utf-8"?>
<manifest xmlns:android="http://schemas.android.com/apk/res/android"
    package="dev.edgekit.models" android:versionCode="1" android:versionName="1">
  <application android:label="edgekit models" android:hasCode="true" android:allowBackup="false">
    <activity android:name=".Main" android:exported="true">
      <intent-filter>
        <action android:name="android.intent.action.MAIN"/>
        <category android:name="android.intent.category.LAUNCHER"/>
      </intent-filter>
    </activity>
  </application>
</manifest>
"""
ACTIVITY = """\
.class public Ldev/edgekit/models/Main;
.super Landroid/app/Activity;

.method public constructor <init>()V
    .registers 1
    invoke-direct {p0}, Landroid/app/Activity;-><init>()V
    return-void
.end method
"""


class CannotBuildError(Exception):
    """A tool is missing, or a bundle is none."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def check_tools() -> None:
    """Refuse to begin without all tools.

    Raises:
      CannotBuildError: one is missing.
    """
    for name, package in TOOLS.items():
        if shutil.which(name) is None:
            raise CannotBuildError(f"no {name} on the PATH: install {package}.", EXIT_MACHINE)
    if not FRAMEWORK.is_file():
        raise CannotBuildError(f"no {FRAMEWORK}: install android-framework-res.", EXIT_MACHINE)


def run(*command: str | Path) -> str:
    """A tool's stdout.

    Raises:
      CannotBuildError: it failed; its last line is told.
    """
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise CannotBuildError(f"{command[0]} failed: {said[-1]}", EXIT_MACHINE)
    return done.stdout


def read_contract(bundle: Path) -> dict[str, dict[str, str]]:
    """contract.json of a bundle.

    Raises:
      CannotBuildError: there is none.
    """
    try:
        contract = json.loads((bundle / "contract.json").read_text(encoding="utf-8"))
        contract["model"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        message = f"'{bundle}' is no bundle: make one with `edgekit bundle`."
        raise CannotBuildError(message, EXIT_BAD_INPUT) from None
    return dict(contract)


def assemble(bundles: list[Path], work: Path) -> Path:
    """An aligned and signed APK with one folder of assets per bundle."""
    assets, code = work / "assets", work / "code"
    for bundle in bundles:
        shutil.copytree(bundle, assets / f"model-{read_contract(bundle)['model']['format']}")
    code.mkdir()
    (work / "AndroidManifest.xml").write_text(MANIFEST, encoding="utf-8")
    (work / "Main.smali").write_text(ACTIVITY, encoding="utf-8")
    run("smali", "assemble", work / "Main.smali", "-o", code / "classes.dex")
    raw, aligned, signed = (work / f"{name}.apk" for name in ("raw", "aligned", "signed"))
    stored = [flag for suffix in MODELS for flag in ("-0", suffix[1:])]
    run(
        "aapt", "package", "-f", "-M", work / "AndroidManifest.xml", "-A", assets, "-I", FRAMEWORK,
        "--min-sdk-version", "26", "--target-sdk-version", "29", *stored, "-F", raw, code,
    )  # fmt: skip
    run("zipalign", "-f", str(ALIGNMENT), raw, aligned)
    key = work / "debug.keystore"
    run(
        "keytool", "-genkeypair", "-keystore", key, "-storepass", "android", "-keypass", "android",
        "-alias", "debug", "-keyalg", "RSA", "-keysize", "2048", "-validity", "10000",
        "-dname", "CN=Debug",
    )  # fmt: skip
    run("apksigner", "sign", "--ks", key, "--ks-pass", "pass:android", "--out", signed, aligned)
    return signed


def problems(apk: Path, bundles: list[Path]) -> list[str]:
    """What is wrong with the models inside, one line each."""
    found = []
    with zipfile.ZipFile(apk) as archive, apk.open("rb") as raw:
        for bundle in bundles:
            model = read_contract(bundle)["model"]
            name = f"assets/model-{model['format']}/{model['path']}"
            if name not in archive.namelist():
                found.append(f"{name} is missing")
                continue
            entry = archive.getinfo(name)
            raw.seek(entry.header_offset + 26)  # lengths of name and extra field in the header
            lengths = raw.read(4)
            start = entry.header_offset + 30 + lengths[0] + 256 * lengths[1] + lengths[2]
            start += 256 * lengths[3]
            if entry.compress_type != zipfile.ZIP_STORED:
                found.append(f"{name} is compressed, so it cannot be mapped")
            if start % ALIGNMENT:
                found.append(f"{name} begins at byte {start}, off the boundary of {ALIGNMENT}")
            if hashlib.sha256(archive.read(name)).hexdigest() != model["sha256"]:
                found.append(f"{name} is not the file of the contract")
    return found


def main() -> int:
    """Build, verify, and say what was proven."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument("-o", "--out", required=True, type=Path)
    arguments = parser.parse_args()
    check_tools()
    with tempfile.TemporaryDirectory(prefix="edgekit-apk-") as scratch:
        apk = assemble(arguments.bundles, Path(scratch))
        signatures = run("apksigner", "verify", "--verbose", "--min-sdk-version", "26", apk)
        run("zipalign", "-c", str(ALIGNMENT), apk)
        badging = run("aapt", "dump", "badging", apk)
        if "launchable-activity: name='dev.edgekit.models.Main'" not in badging:
            raise CannotBuildError("the APK has no activity to launch.", EXIT_MACHINE)
        wrong = problems(apk, arguments.bundles)
        if wrong:
            sys.stderr.write("\n".join(wrong) + "\n")
            return 1
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(apk, arguments.out)
    schemes = [n for n in ("v2", "v3") if f"APK Signature Scheme {n}): true" in signatures]
    for bundle in arguments.bundles:
        model = read_contract(bundle)["model"]
        print(f"{model['path']}: stored, aligned to {ALIGNMENT}, sha256 {model['sha256'][:16]}")
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {size:,} bytes, signed ({', '.join(schemes)}), verified")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotBuildError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
