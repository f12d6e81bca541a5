"""model.skops: how a model becomes bytes, and how bytes become a model only after everything about them is known.

skops rebuilds objects of named types and runs no code of the file. Still nothing is rebuilt before: the bytes are a zip
of plain arrays and one schema (never a pickle), within limits when unpacked, and of no type beyond skops's own list
(scikit-learn's estimators, numpy arrays, builtins) and ALLOWED.
"""

import importlib
import io
import json
import re
import warnings
import zipfile
from typing import Any

from wxcore.errors import ModelError
from wxcore.hazard.registry.sound import unsound_trees

SCHEMA = "schema.json"
MEMBER = re.compile(r"\d{1,20}\.npy")
"""What a file in the zip is called."""

MOST_BYTES = 256 << 20
"""Of model.skops [our choice]: 200 trees of 31 leaves in four windows are 1.2 MiB."""
MOST_UNPACKED, MOST_SCHEMA, MOST_MEMBERS = 1 << 30, 16 << 20, 200_000
"""Of all files in the zip together [bytes], of the schema alone [bytes], and their number [our choice]. The schema is
JSON, which takes some 20 times its size when parsed; that of 200 trees of 31 leaves in four windows is 1 MiB."""

ALLOWED = frozenset({
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
})  # fmt: skip
"""Types that skops asks about and that our models are made of (EXAMPLES.md 4.4, RELIABILITY.md C8). Trees hold bare
indices into memory, so `unsound_trees` looks at each."""

PICKLES = (
    (b"\x80", "a pickle"), (b"(", "a pickle of protocol 0"), (b"c", "a pickle of protocol 0"),
    (b"\x1f\x8b", "a gzip stream, as of joblib"), (b"BZh", "a bzip2 stream, as of joblib"),
    (b"x", "a zlib stream, as of joblib"), (b"\xfd7zXZ", "an xz stream, as of joblib"),
    (b"]\x00\x00", "an lzma stream, as of joblib"), (b"\x04\x22\x4d\x18", "an lz4 stream, as of joblib"),
)  # fmt: skip
"""First bytes of what is refused by name."""
ZIP = b"PK\x03\x04"
SKOPS = "skops.io"


def pack(content: Any) -> bytes:
    """The bytes of model.skops: the same content gives the same bytes (of one version of skops and zlib).

    skops names arrays by their address in memory, and its zip tells the hour: here they are numbered in order, and the
    hour is always the same. The number of threads that a model was fitted with is no part of it.
    """
    source = zipfile.ZipFile(io.BytesIO(_skops().dumps(content)))
    schema = json.loads(source.read(SCHEMA))
    names: dict[str, str] = {}
    _renumber(schema, {}, names)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for old, new in names.items():
            target.writestr(_member(new), source.read(old))
        target.writestr(_member(SCHEMA), json.dumps(schema, separators=(",", ":"), sort_keys=True))
    return buffer.getvalue()


def unpack(data: bytes, what: str) -> Any:
    """The content of model.skops.

    Raises:
        ModelError: a pickle or something else that is no model of ours, too large, of a type that is not allowed, or
            damaged.
    """
    require_zip(data, what)
    _require_members(data, what)
    try:
        types = set(_skops().get_untrusted_types(data=data))
        if odd := sorted(types - ALLOWED):
            raise ModelError(
                what, [f"holds the type {name}, which is not on the list of allowed types" for name in odd]
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another patch version of scikit-learn; the card has settled that
            content = _skops().loads(data, trusted=sorted(types))
        faults = unsound_trees(content)
    except ModelError:
        raise
    except Exception as cause:
        raise ModelError(what, [f"damaged, or written by hand ({type(cause).__name__}: {cause})"]) from cause
    if faults:
        raise ModelError(what, faults)
    return content


def require_zip(data: bytes, what: str) -> None:
    """Refuse by its first bytes what cannot be a model of ours: above all pickles, which run what they like.

    Raises:
        ModelError: it names what it is.
    """
    if len(data) > MOST_BYTES:
        raise ModelError(what, [f"{len(data)} bytes, at most {MOST_BYTES} are read"])
    if data.startswith(ZIP):
        return
    found = next((name for magic, name in PICKLES if data.startswith(magic)), "not a zip file")
    raise ModelError(what, [f"it is {found}, expected a zip of skops: never opened; save models with wx train"])


def _require_members(data: bytes, what: str) -> None:
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as cause:
        raise ModelError(what, [f"the zip is damaged ({cause})"]) from cause
    names = [member.filename for member in members]
    total = sum(member.file_size for member in members)
    schema = max((member.file_size for member in members if member.filename == SCHEMA), default=0)
    faults = [f"holds a file {name[:80]!r}" for name in names if name != SCHEMA and not MEMBER.fullmatch(name)][:5]
    if len(names) != len(set(names)) or SCHEMA not in names:
        faults.append(f"a file stands twice in it, or there is no {SCHEMA}")
    if total > MOST_UNPACKED or schema > MOST_SCHEMA or len(names) > MOST_MEMBERS:
        faults.append(f"unpacks to {total} bytes in {len(names)} files: more than any model (a zip bomb?)")
    if faults:
        raise ModelError(what, faults)


def _renumber(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Ids and file names by order of appearance, in place. Plain values get each a number of their own: whether two
    equal ones are one object is an accident."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, names)
    elif isinstance(node, dict):
        if "__id__" in node:
            key = -1 - len(numbers) if node.get("__loader__") == "JsonNode" else node["__id__"]
            node["__id__"] = numbers.setdefault(key, len(numbers))
        if isinstance(node.get("file"), str):
            node["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
        if node.get("__class__") == "_BinMapper":
            node["content"]["content"]["n_threads"]["content"] = "1"
        for value in node.values():
            _renumber(value, numbers, names)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _skops() -> Any:
    return importlib.import_module(
        SKOPS
    )  # it imports all of scikit-learn: over a second that `wx --help` need not wait
