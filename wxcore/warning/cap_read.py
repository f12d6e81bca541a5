"""CAP in: bytes to a message. No document type, no entities, no network, bounded size (RELIABILITY.md C6)."""

from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

from lxml import etree

from wxcore.errors import WarningError
from wxcore.warning.cap_model import NAMED, NAMESPACES, SHAPES, SIGNATURE, TEXT, TEXTS, Alert, NamedValue, Shapes

MAX_CAP_BYTES = 4 * 1024 * 1024
"""Largest message read; the largest of the public corpus has half a megabyte."""

_LOCK = Lock()
"""An lxml schema keeps the log of its last validation: one thread at a time."""

_VERSIONS = {namespace: version for version, namespace in NAMESPACES.items()}


def read_xml(xml: bytes, *, keep_pis: bool = False) -> etree._Element:
    """Parse hostile bytes; returns the root element. Comments are dropped, processing instructions unless asked for.

    Raises:
        WarningError: too large, not XML, or with a document type declaration.
    """
    if len(xml) > MAX_CAP_BYTES:
        raise WarningError("CAP", [f"{len(xml)} bytes, at most {MAX_CAP_BYTES} are read 文件过大"])
    if b"<!DOCTYPE" in xml.replace(b"\x00", b""):  # before any parser sees it; NULs dropped for UTF-16
        raise WarningError("CAP", ["a document type (DOCTYPE) is refused 拒绝含 DOCTYPE 的文件"])
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=not keep_pis,
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as cause:
        raise WarningError("CAP", [f"not well-formed XML 不是合法的 XML: {cause}"]) from cause
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # missing in the stub
        raise WarningError("CAP", ["a document type (DOCTYPE) is refused 拒绝含 DOCTYPE 的文件"])
    return root


def version_of(root: etree._Element) -> str:
    """CAP version of an alert element, by its namespace.

    Raises:
        WarningError: not a CAP alert.
    """
    name = etree.QName(root)
    version = _VERSIONS.get(name.namespace or "")
    if version is None or name.localname != "alert":
        raise WarningError("CAP", [f"{at(root)}: expected a CAP 1.0, 1.1 or 1.2 alert, found {root.tag} 不是 CAP 报文"])
    return version


@cache
def _schema(version: str) -> etree.XMLSchema:
    text = files("wxcore.warning").joinpath("cap_schema", f"cap-{version}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text))


def schema_faults(root: etree._Element) -> list[str]:
    """Faults of structure, each with line and element; empty where the message fits the schema of its version."""
    namespace = NAMESPACES[version_of(root)]
    schema = _schema(_VERSIONS[namespace])
    with _LOCK:
        if schema.validate(root):
            return []
        entries = [(entry.line, entry.message) for entry in schema.error_log]  # type: ignore[attr-defined]  # iterable
    return [f"line {line}: {message.replace(f'{{{namespace}}}', '')}" for line, message in entries]


def parse_cap(xml: bytes) -> Alert:
    """A CAP 1.0, 1.1 or 1.2 message as records.

    Raises:
        WarningError: refused by `read_xml`, not an alert, or not as its schema says; every fault with its line.
    """
    return parse_alert(read_xml(xml))


def parse_alert(root: etree._Element) -> Alert:
    """An alert element (of a feed or envelope too) as records.

    Raises:
        WarningError: as `parse_cap`.
    """
    version = version_of(root)
    faults = schema_faults(root)
    if faults:
        raise WarningError("CAP", faults)
    signatures = tuple(
        etree.tostring(element, method="c14n", exclusive=True) for element in root if element.tag == SIGNATURE
    )
    return Alert(version=version, signatures=signatures, **values_of(root, Alert, NAMESPACES[version]))


def values_of(element: etree._Element, record: type, namespace: str, shapes: Shapes = SHAPES) -> dict[str, Any]:
    """The arguments of a record, read from its element by the table of its shape."""
    values: dict[str, Any] = {}
    for attribute, tag, kind in shapes[record]:
        found = element.findall(qualified(tag, namespace))
        if kind == TEXT:
            values[attribute] = (found[0].text or "") if found else ""
        elif kind == TEXTS:
            values[attribute] = tuple(child.text or "" for child in found)
        elif kind == NAMED:
            values[attribute] = tuple(_named(child, namespace) for child in found)
        else:
            assert isinstance(kind, type)
            values[attribute] = tuple(kind(**values_of(child, kind, namespace, shapes)) for child in found)
    return values


def qualified(tag: str, namespace: str) -> str:
    """A tag as lxml writes it; namespace "" for none."""
    return f"{{{namespace}}}{tag}" if namespace else tag


def _named(element: etree._Element, namespace: str) -> NamedValue:
    if namespace == NAMESPACES["1.0"]:
        return NamedValue("", element.text or "")
    name, value = element.findtext(f"{{{namespace}}}valueName"), element.findtext(f"{{{namespace}}}value")
    return NamedValue(name or "", value or "")


def at(element: etree._Element) -> str:
    """How messages name a place in a file: `line 12 <polygon>`."""
    return f"line {element.sourceline} <{etree.QName(element).localname}>"
