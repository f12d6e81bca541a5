"""A modeller's own model: a .py file of a few lines, run as it is."""

import importlib.util
from pathlib import Path
from types import ModuleType

from wxcore.errors import ModelError
from wxcore.hazard.learn.model import Model
from wxcore.hazard.learn.zoo import MODELS


def load_models(path: Path) -> tuple[Model, ...]:
    """The models of a file that names MODEL (one) or MODELS (some).

    The file is run: take no file from a stranger.

    Raises:
        ModelError: no such file, it does not run, or it names no model; a name that is taken.
    """
    module = _module(path)
    named = getattr(module, "MODELS", None) or (getattr(module, "MODEL", None),)
    models = tuple(named) if isinstance(named, tuple | list) else (named,)
    names = [model.name for model in models if isinstance(model, Model)]
    faults = []
    if len(names) < len(models):
        faults.append(
            "expected MODEL = Model(name, title, make, grid) or MODELS, a tuple of such "
            "(from wxcore.hazard.learn.model import Model)"
        )
    taken = {model.name for model in MODELS}
    faults += [f"name {name!r} is taken: choose another" for name in names if name in taken or names.count(name) > 1]
    if faults:
        raise ModelError(f"{path}", faults)
    return models


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"wxcore_model_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ModelError(f"{path}", ["not a file of Python: expected an existing file that ends with .py"])
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as cause:  # whatever a stranger's file does wrong is told with its file
        raise ModelError(f"{path}", [f"does not run: {type(cause).__name__}: {cause}"]) from cause
    return module
