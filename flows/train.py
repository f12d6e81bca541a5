"""Flows `nightly-samples`, `train` and `drift-report`: from the archive to a model, and whether it still fits."""

from datetime import UTC, datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.nightly import NIGHTS, drift_report, last_night, read_nights, retrain, write_drift
from wxcore.hazard.registry.promote import current
from wxcore.hazard.registry.store import MODELS, load_model, root_of
from wxcore.hazard.samples.archive import build_samples
from wxcore.settings import home_at, region_at
from wxcore.times import parse_time

SEED = 20260701
NIGHTLY, DRIFT = "nights", "drift"
"""Folders of the home."""


@task(cache_policy=NO_CACHE, persist_result=False)
def build_night(at: datetime, region: str, home: str) -> str:
    """Samples of all hazards of the convective day that was over by then; a repeat writes the same bytes."""
    here, night = home_at(home), last_night(at)
    folder = night.folder(here.root / NIGHTLY)
    build_samples(here.archive, region_at(region), tuple(DEFINITIONS), (night.start, night.end), folder)
    return str(folder)


@task(cache_policy=NO_CACHE, persist_result=False)
def train_and_keep(hazard: str, home: str, seed: int) -> str:
    """A model of all nights, kept beside the others."""
    here = home_at(home)
    return str(retrain(read_nights(here.root / NIGHTLY, hazard), here.models, seed, datetime.now(UTC)))


@task(cache_policy=NO_CACHE, persist_result=False)
def compare_with_card(hazard: str, home: str, nights: int) -> str:
    """Drift of the newest nights against the model in use; empty where the published rule stands."""
    here = home_at(home)
    roots = (here.models, MODELS)
    version = current(roots, hazard)
    if not version:
        return ""
    loaded = load_model(root_of(roots, hazard, version), hazard, version)
    report = drift_report(loaded, read_nights(here.root / NIGHTLY, hazard, nights))
    return str(write_drift(report, here.root / DRIFT, last_night(datetime.now(UTC)).name))


@flow(name="nightly-samples", persist_result=False)
def nightly_samples(at: str = "", region: str = "", home: str = "") -> str:
    """Samples of the convective day (12 to 12 UTC) that ended, into the home. 每日样本.

    Args:
        at: a time in UTC, such as 2020-06-12T13:00Z: the day that was over by then; empty means now. 时间（UTC）
        region: folder name in station_meta; empty: WXCORE_REGION. 区域
        home: where archive and samples live; empty: WXCORE_HOME. 数据目录
    """
    return build_night(parse_time(at) if at else datetime.now(UTC), region, home)


@flow(name="train", persist_result=False)
def train(hazard: str, home: str = "", seed: int = SEED) -> str:
    """Train a hazard's models on all nights and keep the best; nothing is promoted. 训练一种灾害的模型.

    Args:
        hazard: hail, thunderstorm or gale. 灾害种类
        home: where samples and models live; empty: WXCORE_HOME. 数据目录
        seed: the same seed and samples give the same model. 随机种子
    """
    return train_and_keep(hazard, home, seed)


@flow(name="drift-report", persist_result=False)
def drift_reports(home: str = "", nights: int = NIGHTS) -> list[str]:
    """How far the newest samples are from those that the models in use were made of. 漂移报告.

    Args:
        home: where samples and models live; empty: WXCORE_HOME. 数据目录
        nights: so many nights with samples, the newest. 最近几夜
    """
    return [found for hazard in DEFINITIONS if (found := compare_with_card(hazard, home, nights))]
