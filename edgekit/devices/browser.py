"""Run a page in headless Chromium and get the value that it posts back.

Folders are served on the loopback address alone. A page ends by ``report(value)`` of
``/edgekit-report.mjs``, which also posts every uncaught error, so that a broken page is told at
once and not by a time-out. The browser, its profile and its processes are gone when ``run_page``
returns, however it returns.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from edgekit.errors import GateFailed, MachineError

#: programs that can run a page without a screen, the lightest first
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
#: names a program that is taken in their place
BROWSER_VARIABLE = "EDGEKIT_CHROMIUM"

_FLAGS = (
    "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--no-default-browser-check", "--no-proxy-server", "--mute-audio",
    "--enable-logging=stderr", "--log-level=0",
    # without a debugging port some builds leave once the page is loaded
    "--remote-debugging-port=0",
)  # fmt: skip

_RESULT, _MODULE = "/edgekit-result", "/edgekit-report.mjs"
_SCRIPT = f"""\
let sent = false;
const post = (body) => sent ? undefined
  : (sent = true, fetch('{_RESULT}', {{method: 'POST', body: JSON.stringify(body)}}));
export const report = (value) => post({{value}});
export const fail = (error) => post({{error: String((error && error.stack) || error)}});
addEventListener('error', (e) => fail(e.error || e.message));
addEventListener('unhandledrejection', (e) => fail(e.reason));
"""
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript",
    ".css": "text/css", ".json": "application/json", ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
}  # fmt: skip
#: larger than any result of ours; a page that posts more is wrong
_MOST_BYTES = 1 << 30
#: lines of the browser's own talk that an error quotes
_TAIL = 400


class PageFailed(GateFailed):
    """A page threw, or never reported."""


def find_browser() -> str:
    """Path of a Chromium.

    Raises:
      MachineError: there is none.
    """
    named = os.environ.get(BROWSER_VARIABLE)
    for name in (named,) if named else BROWSERS:
        if path := shutil.which(name):
            return path
    raise MachineError(
        f"no Chromium: {BROWSER_VARIABLE} names '{named}', which cannot be run."
        if named
        else "no Chromium was found on the PATH.",
        f"install chromium-headless-shell or chromium, or set {BROWSER_VARIABLE} to one.",
    )


def run_page(mounts: Mapping[str, Path] | Path, page: str, timeout: float = 120) -> Any:
    """Open a page in headless Chromium and wait for the value that it reports.

    Args:
      mounts: folders by the URL prefix they are served under ("/", "/model/"; the longest that
        fits is taken), or one folder for "/".
      page: path and query of the page ("/index.html?file=model.onnx"). It reports with
        ``import {report} from '/edgekit-report.mjs'; report({...});`` (any JSON value, once).
      timeout: seconds until it must have reported.
    Returns:
      the value, parsed from JSON.
    Raises:
      PageFailed: the page threw, or did not report in time.
      MachineError: no Chromium, or it ended by itself.
    """
    browser = find_browser()
    with serve(mounts) as (address, results), _browsing(browser, address + page) as (process, log):
        end = time.monotonic() + timeout
        while True:
            try:
                posted = results.get(timeout=min(0.2, timeout))
                break
            except queue.Empty:
                if process.poll() is not None:
                    raise MachineError(
                        f"{Path(browser).name} ended by itself (code {process.returncode}): "
                        f"{_tail(log)}.",
                        "run it by hand; it may lack memory or a library.",
                    ) from None
                if time.monotonic() > end:
                    raise PageFailed(
                        f"the page {urlsplit(page).path} did not report within {timeout:g} s: "
                        f"{_tail(log)}.",
                        "open it by hand, or give it more time.",
                    ) from None
    if "error" in posted:
        raise PageFailed(f"the page {urlsplit(page).path} failed: {posted['error'][:_TAIL]}.", "")
    return posted["value"]


@contextlib.contextmanager
def serve(mounts: Mapping[str, Path] | Path) -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """Serve folders on a free loopback port.

    Args:
      mounts: as in ``run_page``.
    Yields:
      the address ("http://127.0.0.1:40123"), and the queue of what pages post:
      ``{"value": ...}`` or ``{"error": text}``.
    """
    folders = {"/": mounts} if isinstance(mounts, Path) else dict(mounts)
    results: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(_Handler):
        mounts: ClassVar = {prefix: folder.resolve() for prefix, folder in folders.items()}
        posted: ClassVar = results

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", results
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET a file of a mount, POST the result."""

    mounts: ClassVar[dict[str, Path]]
    posted: ClassVar[queue.Queue[dict[str, Any]]]

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == _MODULE:
            self._answer(200, _TYPES[".mjs"], _SCRIPT.encode())
            return
        file = self._file(path)
        if file is None:
            self._answer(404, _TYPES[".txt"], b"not found")
            return
        kind = _TYPES.get(file.suffix, "application/octet-stream")
        self._answer(200, kind, file.read_bytes())

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.path != _RESULT or size > _MOST_BYTES:
            self._answer(404, _TYPES[".txt"], b"not found")
            return
        try:
            value = json.loads(self.rfile.read(size))
        except ValueError as error:
            value = {"error": f"it posted no JSON ({error})"}
        self._answer(200, _TYPES[".txt"], b"ok")
        self.posted.put(value)

    def _file(self, path: str) -> Path | None:
        """The file behind a URL, never one outside of its mount."""
        for prefix in sorted(self.mounts, key=len, reverse=True):
            if path.startswith(prefix):
                folder = self.mounts[prefix]
                file = (folder / path.removeprefix(prefix).lstrip("/")).resolve()
                return file if file.is_file() and file.is_relative_to(folder) else None
        return None

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # a page that is closed reads no further
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            # what SharedArrayBuffer, and so threads in wasm, ask for
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: stderr is the command's."""


@contextlib.contextmanager
def _browsing(browser: str, url: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A browser on that page, in a process group and with a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="edgekit-page-", ignore_cleanup_errors=True) as scratch:
        log = Path(scratch) / "log"
        # Chromium's sandbox refuses to run as root, which CI containers do
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = [browser, *_FLAGS, *root, f"--user-data-dir={scratch}/profile", url]
        with log.open("wb") as stream:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                    env={**os.environ, "HOME": scratch},
                )
            except OSError as error:
                raise MachineError(f"{browser} cannot be run: {error.strerror}.", "") from error
        try:
            yield process, log
        finally:
            # its group: renderers and helpers would outlive it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _tail(log: Path) -> str:
    """What the page or the browser said last, as one line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line for line in lines if "CONSOLE" in line] or lines
    return " / ".join(told)[-_TAIL:] or "it said nothing"
