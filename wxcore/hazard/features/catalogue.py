"""The features of a storm: name, units, source, the words of a forecaster, and what physics says of their direction.

No place, no clock, no names among them: a model must not learn where and when it was trained. A source that was not
there is NaN in all of its features, never 0, so that a storm without a satellite looks the same live, in training, and
where a source is taken away on purpose; there are no has_satellite columns beside, for they could contradict it.
"""

from dataclasses import dataclass

GROUPS = (
    "radar", "velocity", "polarimetry", "satellite", "lightning", "station", "environment", "motion", "quality",
)  # fmt: skip
"""Sources. `quality` says how well the radar saw it and is always there."""

SOURCES_ZH: dict[str, str] = {
    "radar": "雷达体扫",
    "velocity": "径向速度",
    "polarimetry": "双偏振",
    "satellite": "卫星",
    "lightning": "闪电",
    "station": "地面站",
    "environment": "环境场",
    "motion": "移动",
    "quality": "资料质量",
}
SOURCES_EN: dict[str, str] = {
    "radar": "radar volume",
    "velocity": "radial velocity",
    "polarimetry": "dual-polarisation",
}
"""Of the groups of features whose name alone does not say it."""

HAIL, STORM, GALE = ("hail",), ("thunderstorm",), ("gale",)


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        name: column; units: as in schema.STORMS; group: one of GROUPS; en, zh: what a forecaster calls it.
        up, down: hazards whose probability may only rise (fall) with it, all else equal. Only where the sign is
            physics or in the definition (DOMAIN.md 2.2 to 2.5), not where a season of data suggests it.
    """

    name: str
    units: str
    group: str
    en: str
    zh: str
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


RADAR = (
    Feature("area_km2", "km2", "radar", "storm area", "风暴面积"),
    Feature("major_axis_km", "km", "radar", "length of the storm", "风暴长轴"),
    Feature("axis_ratio", "1", "radar", "length to width ratio", "长短轴比"),
    Feature("max_dbz", "dBZ", "radar", "maximum reflectivity", "最大反射率", up=HAIL + STORM),
    Feature("vil_kg_m2", "kg m-2", "radar", "VIL", "垂直积分液态水", up=HAIL + STORM),
    Feature("vil_density_g_m3", "g m-3", "radar", "VIL density", "液态水密度", up=HAIL),
    Feature("echo_top_18_km", "km", "radar", "18 dBZ echo top", "18 dBZ回波顶高", up=STORM),
    Feature("echo_top_45_km", "km", "radar", "45 dBZ echo top", "45 dBZ回波顶高", up=HAIL + STORM),
    Feature("shi", "J m-1 s-1", "radar", "severe hail index SHI", "强冰雹指数SHI", up=HAIL),
    Feature("mesh_mm", "mm", "radar", "MESH", "最大预估冰雹尺寸MESH", up=HAIL),
    Feature("mesh20_area_km2", "km2", "radar", "area with MESH of 20 mm or more", "MESH不小于20毫米的面积", up=HAIL),
    Feature("posh_percent", "%", "radar", "POSH", "强冰雹概率POSH", up=HAIL),
    Feature("h45_above_h0_km", "km", "radar", "45 dBZ above the 0 C level", "45 dBZ高出0℃层", up=HAIL + STORM),
    Feature("top18_above_h0_km", "km", "radar", "18 dBZ top above the 0 C level", "18 dBZ顶高出0℃层", up=STORM),
    Feature("top18_above_hm20_km", "km", "radar", "18 dBZ top above the -20 C level", "18 dBZ顶高出-20℃层", up=STORM),
    Feature("top45_above_hm20_km", "km", "radar", "45 dBZ top above the -20 C level", "45 dBZ顶高出-20℃层", up=HAIL),
    Feature("top50_above_h0_km", "km", "radar", "50 dBZ top above the 0 C level", "50 dBZ顶高出0℃层", up=HAIL),
    Feature("max_dbz_trend", "dBZ min-1", "radar", "trend of maximum reflectivity", "最大反射率趋势"),
    Feature("vil_trend", "kg m-2 min-1", "radar", "trend of VIL", "垂直积分液态水趋势"),
    Feature("mesh_trend", "mm min-1", "radar", "trend of MESH", "MESH趋势"),
    Feature("echo_top_18_trend", "km min-1", "radar", "trend of the 18 dBZ top", "18 dBZ顶高趋势"),
    Feature("area_trend", "km2 min-1", "radar", "trend of storm area", "风暴面积趋势"),
    Feature("max_dbz_change", "dBZ", "radar", "change of maximum reflectivity in 6 min", "最大反射率6分钟变化"),
    Feature("mesh_change", "mm", "radar", "change of MESH in 6 min", "MESH 6分钟变化"),
)
VELOCITY = (
    Feature("radial_wind_low_m_s", "m s-1", "velocity", "radial wind below 1.5 km", "1.5公里以下径向风", up=GALE),
    Feature("marc_m_s", "m s-1", "velocity", "mid-level convergence (MARC)", "中层径向辐合", up=GALE),
    Feature("divergence_low_s1", "s-1", "velocity", "low-level divergence", "低层辐散", up=GALE),
    Feature("convergence_low_s1", "s-1", "velocity", "low-level convergence", "低层辐合"),
    Feature("azimuthal_shear_low_s1", "s-1", "velocity", "low-level rotation", "低层旋转"),
    Feature("azimuthal_shear_mid_s1", "s-1", "velocity", "mid-level rotation", "中层旋转"),
    Feature("storm_top_divergence_m_s", "m s-1", "velocity", "storm-top divergence", "风暴顶辐散", up=HAIL),
    Feature("spectrum_width_low_m_s", "m s-1", "velocity", "low-level spectrum width", "低层谱宽"),
    Feature("gust_front_km", "km", "velocity", "length of the gust front", "阵风锋长度"),
    Feature("wind_view", "1", "velocity", "beam along the motion", "波束沿移向程度"),
    Feature("velocity_fraction", "1", "velocity", "part with velocities", "有径向速度的比例"),
    Feature("folded_fraction", "1", "velocity", "part range folded", "距离折叠的比例"),
)
POLARIMETRY = (
    Feature("hail_size_class", "1", "polarimetry", "dual-polarisation hail size", "双偏振冰雹尺寸", up=HAIL),
    Feature("hdr_db", "dB", "polarimetry", "hail differential reflectivity", "冰雹差分反射率HDR", up=HAIL),
    Feature("zdr_column_km", "km", "polarimetry", "depth of the ZDR column", "ZDR柱厚度", up=HAIL),
    Feature("kdp_low_deg_km", "degree km-1", "polarimetry", "KDP below the 0 C level", "0℃层以下KDP"),
)
SATELLITE = (
    Feature("bt108_min_k", "K", "satellite", "lowest cloud-top temperature", "最低云顶亮温", down=STORM),
    Feature(
        "bt108_change_15min_k",
        "K",
        "satellite",
        "change of cloud-top temperature in 15 min",
        "15分钟云顶亮温变化",
        down=STORM,
    ),
    Feature("wv_difference_max_k", "K", "satellite", "water vapour minus window", "水汽与窗区亮温差", up=STORM),
    Feature("overshooting_tops", "1", "satellite", "overshooting tops", "过冲云顶数", up=HAIL + STORM),
    Feature("bt108_trend", "K min-1", "satellite", "trend of the lowest cloud-top temperature", "最低云顶亮温趋势"),
    Feature("satellite_age_min", "min", "satellite", "age of the satellite image", "卫星图像时效"),
)
LIGHTNING = (
    Feature("flash_rate_min", "min-1", "lightning", "flash rate", "闪电频数", up=STORM),
    Feature("flash_positive_fraction", "1", "lightning", "part of positive flashes", "正地闪比例"),
    Feature("peak_current_ka", "kA", "lightning", "strongest stroke", "最大回击电流"),
    Feature("lightning_jump_sigma", "1", "lightning", "lightning jump (sigma)", "闪电跃增（倍标准差）"),
    Feature("lightning_jump", "1", "lightning", "lightning jump", "闪电跃增", up=HAIL),
    Feature("flash_rate_trend", "min-2", "lightning", "trend of the flash rate", "闪电频数趋势"),
    Feature("flash_rate_change", "min-1", "lightning", "change of the flash rate in 6 min", "闪电频数6分钟变化"),
    Feature("flash_total", "1", "lightning", "all lightning seen, not only to ground", "全闪（非仅地闪）观测"),
)
STATION = (
    Feature("gust_near_m_s", "m s-1", "station", "gust measured near", "附近实测阵风", up=GALE),
    Feature("gust_near_supported", "1", "station", "that gust is borne out", "该阵风有佐证"),
    Feature("gust_near_witnesses", "1", "station", "witnesses of that gust", "该阵风佐证数"),
    Feature("pressure_jump_hpa", "hPa", "station", "pressure jump near", "附近气压涌升", up=GALE),
    Feature("temperature_drop_k", "K", "station", "fall of temperature near", "附近降温", up=GALE),
    Feature("theta_e_deficit_k", "K", "station", "cold pool: theta-e deficit", "冷池相当位温亏缺", up=GALE),
    Feature("stations_near", "1", "station", "stations near", "附近测站数"),
)
ENVIRONMENT = (
    Feature("h0_m", "m", "environment", "0 C level", "0℃层高度"),
    Feature("hm20_m", "m", "environment", "-20 C level", "-20℃层高度"),
    Feature("wet_bulb_zero_m", "m", "environment", "wet-bulb 0 C level", "湿球0℃层高度"),
    Feature("mucape", "J kg-1", "environment", "most unstable CAPE", "最不稳定层CAPE"),
    Feature("sbcin", "J kg-1", "environment", "surface CIN", "地面CIN"),
    Feature("dcape", "J kg-1", "environment", "downdraft CAPE", "下沉CAPE"),
    Feature("lapse_rate_700_500", "K km-1", "environment", "lapse rate 700 to 500 hPa", "700至500百帕温度递减率"),
    Feature("shear_0_1km", "m s-1", "environment", "wind shear 0 to 1 km", "0至1公里风切变"),
    Feature("shear_0_6km", "m s-1", "environment", "wind shear 0 to 6 km", "0至6公里风切变"),
    Feature("srh_0_3km", "m2 s-2", "environment", "storm-relative helicity 0 to 3 km", "0至3公里风暴相对螺旋度"),
    Feature("mean_wind_0_6km", "m s-1", "environment", "mean wind 0 to 6 km", "0至6公里平均风速"),
    Feature("pwat", "mm", "environment", "precipitable water", "可降水量"),
    Feature("theta_e_drop", "K", "environment", "dry air aloft: theta-e drop", "高低层相当位温差"),
    Feature("environment_age_h", "h", "environment", "age of the environment", "环境资料时效"),
    Feature("environment_nwp", "1", "environment", "environment from a model", "环境取自数值模式"),
    Feature("environment_sounding", "1", "environment", "environment from a sounding", "环境取自探空"),
)
MOTION = (
    Feature("speed_m_s", "m s-1", "motion", "speed of the storm", "风暴移速", up=GALE),
    Feature("motion_sd_m_s", "m s-1", "motion", "uncertainty of the motion", "移动的不确定性"),
    Feature("age_min", "min", "motion", "age of the storm", "风暴已持续时间"),
    Feature("parents", "1", "motion", "storms it split from or merged out of", "分裂或合并前的风暴数"),
    Feature("bow", "1", "motion", "bow echo", "弓形回波", up=GALE),
    Feature("neighbours", "1", "motion", "other storms within 50 km", "50公里内其他风暴数"),
)
QUALITY = (
    Feature("observed_fraction", "1", "quality", "part seen in three dimensions", "三维观测的比例"),
    Feature("top18_open", "1", "quality", "nobody saw above the top", "回波顶以上未观测"),
    Feature("levels_of_the_day", "1", "quality", "0 C and -20 C levels of the day", "0℃、-20℃层为当日资料"),
    Feature("tracked_min", "min", "quality", "minutes of history behind the trends", "趋势所用的时长"),
)
FEATURES: tuple[Feature, ...] = (
    *RADAR, *VELOCITY, *POLARIMETRY, *SATELLITE, *LIGHTNING, *STATION, *ENVIRONMENT, *MOTION, *QUALITY,
)  # fmt: skip
"""In the order of the columns."""

NAMES = tuple(feature.name for feature in FEATURES)

LEFT_OUT: tuple[tuple[str, str], ...] = (
    ("lat", "place"),
    ("lon", "place"),
    ("mesh_lat", "place"),
    ("mesh_lon", "place"),
    ("u_m_s", "direction of motion is a matter of place and season; speed_m_s is used"),
    ("v_m_s", "direction of motion is a matter of place and season; speed_m_s is used"),
    ("echo_top_50_km", "top50_above_h0_km says it against the level that matters"),
    ("mesh75_mm", "a function of SHI alone, as MESH is: nothing new (Murillo et al. 2021)"),
)
"""Numbers of schema.STORMS that are no features, and why."""

ALSO_FLAT = ("area_km2", "major_axis_km", "axis_ratio", "max_dbz", "max_dbz_trend", "max_dbz_change", "area_trend")
"""Radar features that a 2-D composite gives as well."""

COVERAGE = (
    "gust_front_km", "wind_view", "velocity_fraction", "folded_fraction", "satellite_age_min", "flash_total",
    "stations_near",
)  # fmt: skip
"""Features that are numbers, mostly 0, also where their source measured nothing: NaN there."""


def directions(hazard: str) -> dict[str, int]:
    """Feature -> 1 where the probability of the hazard may only rise with it, -1 only fall; the others are left out."""
    told = {feature.name: (hazard in feature.up) - (hazard in feature.down) for feature in FEATURES}
    return {name: sign for name, sign in told.items() if sign}
