"""Exporters and their imports talk a lot; errors are raised, the rest is dropped."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from edgekit.runtime.tflite_plain import quiet_native_log


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Drop warnings, logging below ERROR, prints, and what native code writes to stderr."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            quiet_native_log(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
