"""``--custom-objects MODULE.py``: the user's own classes, imported because the user says so."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from edgekit.converters.tensorflow.specs import WrongRoute

from edgekit.errors import CheckpointError, UsageError, first_line

REMEDY = (
    "name the file that defines it with --custom-objects MODULE.py; its classes are "
    "registered with @keras.saving.register_keras_serializable()."
)


def load_custom_objects(path: Path | None) -> dict[str, Any]:
    """Import a Python file and take its classes and functions.

    Returns:
      name -> what the file itself defines under it.
    Raises:
      UsageError: there is no such file.
      CheckpointError: it cannot be imported.
      WrongRoute: it imports TensorFlow, which this process does without.
    """
    if path is None:
        return {}
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"'{path}' is no Python file.", "--custom-objects takes a MODULE.py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent.resolve()))  # it may import its neighbours
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "tensorflow":
            raise WrongRoute(f"'{path.name}' imports tensorflow") from error
        raise _broken(path, error) from error
    except Exception as error:  # whatever the user's code raises
        raise _broken(path, error) from error
    finally:
        sys.path.pop(0)
    return {
        name: value
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


def _broken(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"'{path}' cannot be imported ({type(error).__name__}: {first_line(error)}).",
        "it must import by itself; what it needs lies beside it or is installed.",
    )
