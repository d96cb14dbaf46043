"""The driver of headless Chromium: results, errors, time-outs, no process left."""

from __future__ import annotations

import os
import stat
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from edgekit.devices.browser import PageFailed, find_browser, run_page, serve
from edgekit.errors import MachineError

HEAD = "<!doctype html><script type=module>import {report} from '/edgekit-report.mjs';"


def page(folder: Path, script: str) -> Path:
    (folder / "index.html").write_text(f"{HEAD}{script}</script>", encoding="utf-8")
    return folder


def chromium() -> None:
    try:
        find_browser()
    except MachineError:
        pytest.skip("not set up: install chromium-headless-shell (edgekit doctor tells how)")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for profiles of this test alone: others run browsers at the same time."""
    folder = tmp_path / "scratch of this test"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def browsers_alive(scratch: Path) -> set[str]:
    """Processes whose profile lies there."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(scratch) in (entry / "cmdline").read_bytes():
                found.add(entry.name)
        except OSError:
            continue
    return found


def all_gone(scratch: Path) -> bool:
    """Whether no browser is left; what was killed may take a moment to leave /proc."""
    end = time.monotonic() + 10
    while browsers_alive(scratch) and time.monotonic() < end:
        time.sleep(0.05)
    return not browsers_alive(scratch)


def test_a_page_reports_what_it_read(tmp_path: Path, scratch: Path) -> None:
    chromium()
    other = tmp_path / "mit Leerzeichen"
    other.mkdir()
    (other / "zahlen.json").write_text("[0.1, 2, 16777217]")
    folder = tmp_path / "page"
    folder.mkdir()
    page(
        folder,
        "const r = await fetch('/data/zahlen.json');"
        "report({query: location.search, numbers: await r.json(), simd: typeof WebAssembly});",
    )
    result = run_page({"/": folder, "/data/": other}, "/index.html?a=1&b=x", timeout=60)
    assert result == {"query": "?a=1&b=x", "numbers": [0.1, 2, 16777217], "simd": "object"}
    assert all_gone(scratch)


def test_an_error_in_the_page_is_told_at_once(tmp_path: Path) -> None:
    chromium()
    page(tmp_path, "await Promise.resolve(); throw new Error('no such operator');")
    with pytest.raises(PageFailed, match="no such operator") as caught:
        run_page(tmp_path, "/index.html", timeout=60)
    assert caught.value.exit_code == 1


def test_a_page_that_never_reports_is_given_up(tmp_path: Path, scratch: Path) -> None:
    chromium()
    page(tmp_path, "console.log('still thinking');")
    with pytest.raises(PageFailed, match="did not report within 2 s"):
        run_page(tmp_path, "/index.html", timeout=2)
    assert all_gone(scratch)


def test_no_browser_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGEKIT_CHROMIUM", raising=False)
    with pytest.raises(MachineError, match="no Chromium was found") as caught:
        run_page(tmp_path, "/index.html")
    assert "EDGEKIT_CHROMIUM" in caught.value.hint
    monkeypatch.setenv("EDGEKIT_CHROMIUM", "none-such")
    with pytest.raises(MachineError, match="none-such"):
        find_browser()


def test_a_browser_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\necho 'libnss3.so: cannot open' >&2\nexit 127\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDGEKIT_CHROMIUM", str(fake))
    with pytest.raises(MachineError, match=r"ended by itself \(code 127\): libnss3"):
        run_page(tmp_path, "/index.html", timeout=20)


def test_nothing_outside_of_the_folders_is_served(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "site"
    inside.mkdir()
    (inside / "a.mjs").write_text("1")
    os.symlink(tmp_path / "secret.txt", inside / "link.txt")
    with serve(inside) as (address, _):
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/a.mjs", timeout=10) as answer:
            assert answer.headers["Content-Type"] == "text/javascript"
            assert answer.read() == b"1"
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/none", "/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(address + path, timeout=10)
