"""rules.toml of a region, with what it extends already merged in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wxcore.region.tables import Fault, read_toml

EXTENDS = "extends"


def read_rules(path: Path, roots: tuple[Path, ...], faults: list[Fault]) -> dict[str, Any]:
    """Read a rules file; `extends = "name"` puts it over rules/name.toml of the first root that has one.

    Tables merge key by key, anything else (lists too) replaces. The answer holds no key `extends`.

    Args:
        path: the region's file.
        roots: station_meta folders, the region's own first.
        faults: gets what is wrong; the answer is then incomplete.
    """
    return _read(path, roots, faults, ())


def _read(path: Path, roots: tuple[Path, ...], faults: list[Fault], above: tuple[Path, ...]) -> dict[str, Any]:
    table = read_toml(path, faults)
    if EXTENDS not in table:
        return table
    name = table.pop(EXTENDS)
    base = _find(name, roots)
    if base is None or base in above:
        found = repr(name) if base is None else f"{name!r}, which leads back to itself"
        faults.append(Fault(path.name, "", EXTENDS, found, "the name of a file in rules/", " rules/ 中文件的名称"))
        return table
    return merged(_read(base, roots, faults, (*above, base)), table)


def _find(name: object, roots: tuple[Path, ...]) -> Path | None:
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        return None
    return next((path for root in roots if (path := root / "rules" / f"{name}.toml").is_file()), None)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, tables key by key; neither is changed."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result
