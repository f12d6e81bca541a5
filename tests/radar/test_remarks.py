"""Every remark of the radar core is either told to the forecaster or known to be technical."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from wxcore.radar import codes
from wxcore.radar.remarks import chinese

RADAR = Path(__file__).parents[2] / "wxcore" / "radar"

OF_PRODUCTS = {"standard_product.py", "standard_tables.py", "moc.py", "swan.py", "regrid.py", "remarks.py"}
"""Modules whose remarks are of products and mosaics, not of volumes."""

MAKERS = {"_ending", "_summary", "_told", "_unseen", "solve", "_solve_all"}
"""Functions that return remarks."""

HOLDERS = {"remark", "remarks", "REMARK", "UNMET", "ZDR_UNKNOWN"}
"""Names and arguments that hold remarks."""

NOT_MATERIAL = (
    "moment types skipped: ",
    "cut 777: 777 of 777 rays blanked, no echo in them is missing",
    "cut 777: 777 gates declared, 777 read",
    "777 bytes after the end of the volume ignored",
    "the file's name says ",
    "the header has no position",
    "the header has no plausible position",
    "not taken over: ",
    "one time a sweep: ",
    "PHIDP: the system's phase ",  # taken off, or cannot be told: there is too little rain to correct anything
    "777, subtracted",
    "C band: reflectivity as S-equivalent above 34.8 dBZ; no hail sizes",
    "X band: no conversion to S band is known; no hail sizes",
    "velocities beyond the Nyquist 777 m/s: unfolded already",
)
"""Beginnings of remarks that stay in the provenance."""

WHOLES = (
    "sweep 777: 777",
    "rays packed with LZO: 777",
    "777 band: attenuation of up to 777 dB 777, 777 gates behind unknown",
)
"""Made of parts that the scan does not see together; each is asked for below as it is at run time."""

FILLED = "777"
"""For any value: more than any threshold of the table."""


def _strings(node: ast.AST) -> Iterator[str]:
    """The texts of an expression, with FILLED for every value that is filled in."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else FILLED for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.replace("{}", FILLED)
    elif isinstance(node, ast.IfExp):
        yield from (*_strings(node.body), *_strings(node.orelse))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return
    else:
        parts = node.values if isinstance(node, ast.Dict) else ast.iter_child_nodes(node)
        for part in parts:
            yield from _strings(part)


def _names(node: ast.AST) -> set[str]:
    return {part.id if isinstance(part, ast.Name) else part.attr for part in ast.walk(node)
            if isinstance(part, ast.Name | ast.Attribute)}  # fmt: skip


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """What a node appends to, assigns to or passes as remarks; of a maker, what it returns and its tables."""
    match node:
        case ast.Call(func=ast.Attribute(attr="append" | "extend", value=ast.Name(id=name)), args=[text]):
            yield from [text] if name in HOLDERS else []
        case ast.Assign(targets=[target], value=text):
            yield from [text] if _names(target) & HOLDERS else []
        case ast.AnnAssign(target=target, value=ast.AST() as text) | ast.AugAssign(target=target, value=text):
            yield from [text] if _names(target) & HOLDERS else []
        case ast.keyword(arg="remark" | "remarks", value=text):
            yield text
        case ast.FunctionDef(name=name) if name in MAKERS:
            parts = list(ast.walk(node))
            yield from (part.value for part in parts if isinstance(part, ast.Return) and part.value is not None)
            yield from (part for part in parts if isinstance(part, ast.Dict))


def _remarks(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for expression in _expressions(node):
            yield from _strings(expression)


def all_remarks() -> list[tuple[str, str]]:
    found = set()
    for path in sorted(RADAR.rglob("*.py")):
        if path.name not in OF_PRODUCTS:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found |= {(path.name, text) for text in _remarks(tree) if " " in text.strip()}
    return sorted(found)


FOUND = all_remarks()
ESTIMATED = "estimated from reflectivity (no PhiDP), not corrected"


def test_the_scan_finds_what_is_made_in_different_ways():
    assert len(FOUND) > 50
    assert {
        ("cinrad.py", "moment types skipped: 777"),
        ("cinrad.py", "truncated at byte 777: 777 of 777 cuts"),
        ("nyquist.py", "no Nyquist velocity, and the velocities show none"),
        ("derive.py", "0 C level unknown: no hydrometeor classes, no hail sizes"),
        ("sane.py", "reflectivity is noise: 777 of 777 sweeps left out"),
        ("codes.py", codes.UNMET),
    } <= set(FOUND)


@pytest.mark.parametrize(("module", "remark"), FOUND)
def test_a_remark_is_translated_or_known_to_be_technical(module: str, remark: str):
    technical = remark.startswith(NOT_MATERIAL) or remark in WHOLES
    assert technical != (chinese(remark) is not None), f"{module}: add {remark!r} to remarks.py or to NOT_MATERIAL"


@pytest.mark.parametrize("begin", [*NOT_MATERIAL, *WHOLES])
def test_nothing_is_listed_that_is_no_longer_made(begin: str):
    assert any(text.startswith(begin) for _, text in FOUND)


def test_translations_carry_no_english_and_no_unfilled_place():
    for _, remark in FOUND:
        if zh := chinese(remark):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)
            assert "{" not in zh


def test_as_they_are_at_run_time():
    expected = {
        "header position 29.5300, 106.4500, 480 m replaced by the station list's 29.5100, -6.4000, 466 m":
            "文件头站址（29.5300，106.4500，480 米）有误，改用站点表的（29.5100，-6.4000，466 米）",
        "sweep 3: no Nyquist velocity; 26.5 m/s taken, where the velocities fold":
            "第 3 层：文件头没有最大不模糊速度，按 26.5 米/秒退模糊",
        "sweep 2: velocities beyond the Nyquist 8.10 m/s: unfolded already": None,
        "X band: attenuation of up to 20.5 dB corrected, 4500 gates behind unknown":
            "X 波段雨区衰减（最大 20.5 dB）已订正，但其后有 4500 个库的反射率不明",
        "X band: attenuation of up to 2.5 dB corrected, 45 gates behind unknown": None,
        f"C band: attenuation of up to 6.1 dB {ESTIMATED}, 7 gates behind unknown":
            "C 波段没有差分相移，雨区衰减约达 6.1 dB，未订正；其后有 7 个库的反射率不明",
        f"C band: attenuation of up to 0.4 dB {ESTIMATED}, 0 gates behind unknown":
            None,
        "12 % of the beams extinguished behind heavy rain": "12% 的波束被强雨完全衰减，其后回波不明",
        "X band: attenuation unknown (no PhiDP), no conversion to S band is known":
            "X 波段：衰减不明（没有差分相移），强雨后的回波可能偏弱",
        f"rays packed with LZO: {codes.UNMET}": "此格式尚未用真实文件验证，请与雷达自身显示对照",
        "RHOHV broken (most of it above 1): dual polarisation not used, but PHIDP":
            "相关系数数据异常：不用于相态识别和冰雹尺寸，差分相移仍用于衰减订正",
        "azimuth gap of up to 70 deg in 11 of 11 sweeps": "11 层中有 11 层缺方位，最大缺口 70 度",
        "only 1 tilt, up to 0.5 deg: tops of storms are unseen": "只有 1 个仰角，最高 0.5 度：看不到风暴顶",
        "something nobody has met": None,
        "": None,
    }  # fmt: skip
    assert {remark: chinese(remark) for remark in expected} == expected


@pytest.mark.parametrize(
    ("few", "many"),
    [
        ("3 of 360 rays dropped (header implausible)", "40 of 360 rays dropped (header implausible)"),
        (
            "cut 2: 36 rays of DBZH with another scale left out",
            "cut 2: 37 rays of DBZH with another scale left out",
        ),
        ("2 rays at the azimuth of a later one left out", "400 rays at the azimuth of a later one left out"),
    ],
)
def test_a_few_lost_rays_are_nobodys_business(few: str, many: str):
    assert chinese(few) is None
    assert chinese(many) is not None
