"""Flow `cycle`: products, storms, probabilities and drafts of one six-minute cycle."""

from datetime import UTC, datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.report import publish
from wxcore.pipeline.result import CycleResult, RunResult
from wxcore.settings import home_at, region_at
from wxcore.times import cycle_of, latest_cycle, parse_time


@task(cache_policy=NO_CACHE, persist_result=False)
def analyse_and_commit(at: datetime, region: str, home: str, h0_m: float | None, hm20_m: float | None) -> CycleResult:
    """The whole chain of one cycle; a repeat of the same inputs commits nothing."""
    where, here = region_at(region), home_at(home)
    recover_home(here, where)
    return run_cycle(here, where, at, h0_m=h0_m, hm20_m=hm20_m)


@task(cache_policy=NO_CACHE, persist_result=False)
def write_report(region: str, home: str, result: CycleResult) -> None:
    """Report, CAP and GeoJSON of the cycle's drafts."""
    where = region_at(region)
    publish(home_at(home), where, RunResult(where.id, result.inputs, (result,)))


@flow(name="cycle", persist_result=False)
def cycle(
    at: str = "",
    region: str = "",
    home: str = "",
    h0_m: float | None = None,
    hm20_m: float | None = None,
) -> CycleResult:
    """One cycle from the files on hand; a past one is re-run by giving its time. 运行（或重跑）一个时次.

    Args:
        at: cycle time in UTC, such as 2020-06-12T05:42Z; empty means now. 时次（UTC），留空为当前
        region: folder name in station_meta; empty: WXCORE_REGION. 区域
        home: where archive, ledger and landed bytes live; empty: WXCORE_HOME. 数据目录
        h0_m: height of 0 C by hand, metres above sea level; empty means climatology. 0℃层海拔（米）
        hm20_m: height of -20 C by hand, metres above sea level. -20℃层海拔（米）
    """
    when = cycle_of(parse_time(at)) if at else latest_cycle(datetime.now(UTC))
    result = analyse_and_commit(when, region, home, h0_m, hm20_m)
    write_report(region, home, result)
    return result
