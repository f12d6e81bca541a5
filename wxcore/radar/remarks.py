"""What a forecaster must know of a volume's remarks, in Chinese.

Remarks are made all over the readers and the radar core, in English, for the provenance. Those of this table withhold
or change something that a forecaster sees; tests/radar/test_remarks.py holds a list of the others, so that no remark
is forgotten.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

MANY_PART = 0.1
"""Lost rays are told from this part of a cut [our choice]."""
MANY_RAYS = 36
"""The same where the remark does not say of how many: a tenth of 360."""
MANY_GATES = 500
"""Gates behind which attenuation hides the rest are told from this number: a patch of 7 x 7 km at 250 m by 1 deg and
50 km, which a storm may fill [our choice]."""

_KINDS = {"number": r"[-+]?(?:\d+(?:\.\d+)?|nan|inf)", "word": r"\w+", "any": r".+?"}
_GROUP = re.compile(r"<(?P<name>\w+)(?::(?P<kind>word|any))?>")

MUCH_DB = 1.0
"""Attenuation that is not corrected is told from this: calibration is no better [our choice]."""

Words = dict[str, str]


@dataclass(frozen=True)
class _Line:
    """What a remark means.

    Attributes:
        pattern: of the whole remark, or of its beginning; its named groups fill the template.
        zh: template.
        matters: of the groups; where it is False the remark is technical.
    """

    pattern: re.Pattern[str]
    zh: str
    matters: Callable[[Words], bool]


def _always(_: Words) -> bool:
    return True


def _many_rays(words: Words) -> bool:
    return int(words["n"]) > MANY_RAYS


def _many_of(words: Words) -> bool:
    return int(words["n"]) > MANY_PART * int(words["m"])


def _hides(words: Words) -> bool:
    return int(words["n"]) >= MANY_GATES


def _fades(words: Words) -> bool:
    return float(words["d"]) >= MUCH_DB


def _line(pattern: str, zh: str, matters: Callable[[Words], bool] = _always) -> _Line:
    """Of a pattern in which <n> is a number, <n:word> a word, and <n:any> any text, each a named group."""
    return _Line(re.compile(_GROUP.sub(_group, pattern)), zh, matters)


def _group(found: re.Match[str]) -> str:
    return f"(?P<{found['name']}>{_KINDS[found['kind'] or 'number']})"


_SOUND = (
    _line(r"reflectivity is noise: <n> of <m> sweeps", "{m} 层中有 {n} 层反射率为噪声，已剔除"),
    _line(
        r"reflectivity is one constant .*: <n> of <m> sweeps",
        "{m} 层中有 {n} 层反射率为同一常数（接收机疑似卡死），已剔除",
    ),
    _line(r"velocity is noise: not used in <n> of <m> sweeps", "{m} 层中有 {n} 层速度为噪声，未使用"),
    _line(r"velocity is one constant: not used in <n> of <m>", "{m} 层中有 {n} 层速度为同一常数，未使用"),
    _line(r"rays all at one azimuth: <n> of <m> sweeps", "{m} 层中有 {n} 层径向方位角全部相同，已剔除"),
    _line(
        r"elevations of the rays contradict the header: <n> of <m> sweeps",
        "{m} 层中有 {n} 层径向仰角与文件头不符，波束位置不明，已剔除",
    ),
    _line(
        r"elevations of the header are all the same: .* in <n> of <m> sweeps",
        "文件头各层仰角相同，{m} 层中有 {n} 层改用径向仰角",
    ),
    _line(r"<n> rays without an azimuth left out", "{n} 条径向没有方位角，已剔除", _many_rays),
    _line(r"<n> rays of earlier revolutions left out", "部分仰角扫描超过一圈，只用最后一圈（剔除 {n} 条径向）"),
    _line(r"<n> rays at the azimuth of a later one left out", "{n} 条径向方位角重复，只用后一条", _many_rays),
    _line(r"<n> rays that repeat the one before left out", "{n} 条径向与前一条完全相同，已剔除", _many_rays),
    _line(
        r"times of <n> rays far from the start of the volume",
        "{n} 条径向的时间与体扫时间不符，改用体扫开始时间",
        _many_rays,
    ),
    _line(r"azimuth gap of up to <d> deg in <n> of <m> sweeps", "{m} 层中有 {n} 层缺方位，最大缺口 {d} 度"),
    _line(r"no tilt with reflectivity", "没有可用的反射率仰角层"),
    _line(r"only <n> tilt\w*, up to <e> deg: tops", "只有 {n} 个仰角，最高 {e} 度：看不到风暴顶"),
    _line(r"no tilt below <e> deg: the lowest echo", "没有低于 {e} 度的仰角：看不到低层回波"),
    _line(r"no sweep of the volume can be believed", "体扫没有一层可信，未使用"),
)

_VELOCITY = (
    _line(
        r"Nyquist velocity <v> m/s wrong; velocities fold at <w>",
        "文件头最大不模糊速度 {v} 米/秒有误，按 {w} 米/秒退模糊",
    ),
    _line(r"Nyquist velocity <v> m/s contradicts", "速度与文件头最大不模糊速度 {v} 米/秒矛盾，速度可信度低"),
    _line(r"no Nyquist velocity; <w> m/s taken", "文件头没有最大不模糊速度，按 {w} 米/秒退模糊"),
    _line(r"no Nyquist velocity, and", "最大不模糊速度不明，速度未使用"),
    _line(r"cut <c>: Nyquist velocity <v> m/s, velocity and width left out", "最大不模糊速度无效，速度和谱宽未使用"),
    _line(r"background wind .*not used", "背景风与雷达速度矛盾，退模糊时未使用"),
)

_POLARIMETRY = (
    _line(
        r"<band:word> band: attenuation of up to <d> dB corrected, <n> gates behind unknown",
        "{band} 波段雨区衰减（最大 {d} dB）已订正，但其后有 {n} 个库的反射率不明",
        _hides,
    ),
    _line(
        r"<band:word> band: attenuation of up to <d> dB .*not corrected, <n> gates behind unknown",
        "{band} 波段没有差分相移，雨区衰减约达 {d} dB，未订正；其后有 {n} 个库的反射率不明",
        _fades,
    ),
    _line(r"(?:.*\b)?<p> ?(?:%|percent)[^:]*(?:extinguish|extinct)", "{p}% 的波束被强雨完全衰减，其后回波不明"),
    _line(r".*extinguish", "部分波束被强雨完全衰减，其后回波不明"),
    _line(r"<band:word> band: .*attenuation unknown", "{band} 波段：衰减不明（没有差分相移），强雨后的回波可能偏弱"),
    _line(r".*attenuation unknown", "衰减不明，强雨后的回波可能偏弱"),
    _line(r"band unknown", "波段不明：不做衰减订正、相态识别和冰雹尺寸"),
    _line(
        r"the file says <f:word> band, the station table <t:word>",
        "文件头频率属 {f} 波段，站点表为 {t} 波段：按 {t} 波段处理，请核实站点表",
    ),
    _line(r"(?=.*\bband\b)(?=.*(?:differ|contradict|wrong))", "雷达波段与站点表不符，请核实站点表"),
    _line(
        r"RHOHV broken .*but PHIDP",
        "相关系数数据异常：不用于相态识别和冰雹尺寸，差分相移仍用于衰减订正",
    ),
    _line(r"RHOHV broken", "相关系数数据异常：双偏振量未使用"),
    _line(r"PHIDP broken", "差分相移数据异常：没有比差分相移，不做衰减订正"),
    _line(r"no RHOHV", "没有相关系数：不用差分反射率，不做相态识别"),
    _line(r"ZDR broken", "差分反射率数据异常，未使用"),
    _line(r"ZDR offset unknown", "差分反射率系统偏差不明：不做冰雹尺寸和降雹差分反射率"),
    _line(r"0 C level unknown", "0℃层高度不明：不做相态识别和冰雹尺寸"),
)

_READERS = (
    _line(
        r"(?:.*: )?format not yet met with a real file",
        "此格式尚未用真实文件验证，请与雷达自身显示对照",
    ),
    _line(
        r"header position <a:any>, <b:any>, <h:any> m replaced by .* <c>, <d>, <k> m",
        "文件头站址（{a}，{b}，{h} 米）有误，改用站点表的（{c}，{d}，{k} 米）",
    ),
    _line(r"header position .*replaced", "文件头站址有误，改用站点表的站址"),
    _line(r"truncated at byte \d+: <n> of <m> cuts", "文件不完整：{m} 层中只有 {n} 层"),
    _line(r"truncated at byte", "文件不完整"),
    _line(r"cut .* has no end", "文件不完整，部分仰角层没有结束"),
    _line(r"(?:cut \d+: )?<n> of <m> rays dropped", "{m} 条径向中有 {n} 条角度或时间无效，已剔除", _many_of),
    _line(
        r"cut <c>: <n> rays of <q:word> with another scale left out",
        "第 {c} 层有 {n} 条径向的 {q} 比例不同，未使用",
        _many_rays,
    ),
    _line(r"cut <c>: <n> rays with other gates left out", "第 {c} 层有 {n} 条径向库数不同，未使用", _many_rays),
    _line(r"cut <c>: not one value", "第 {c} 层没有任何数值，视为未观测"),
    _line(r"cut <c>: gate size <g> not believed, <u> m taken", "第 {c} 层库长 {g} 无效，按 {u} 米处理"),
    _line(r"azimuths assumed", "文件没有方位角：假定从正北起等间隔"),
)

_SWEEP = re.compile(r"sweep (?P<sweep>\d+): (?P<rest>.+)", re.DOTALL)
_LINES = (*_SOUND, *_VELOCITY, *_POLARIMETRY, *_READERS)


def chinese(remark: str) -> str | None:
    """What a forecaster must read of a remark; None where it is technical only.

    Args:
        remark: of `Volume.remarks`; one that is not known is technical.
    """
    if sweep := _SWEEP.fullmatch(remark):
        rest = chinese(sweep["rest"])
        return None if rest is None else f"第 {sweep['sweep']} 层：{rest}"
    for line in _LINES:
        found = line.pattern.match(remark)
        if found is not None:
            words = found.groupdict(default="")
            return line.zh.format(**words) if line.matters(words) else None
    return None
