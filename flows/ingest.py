"""Flow `ingest`: land, decode and register files."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from wxcore.pipeline.ingest import ingest as ingest_files
from wxcore.pipeline.recover import recover_home
from wxcore.pipeline.result import Input
from wxcore.settings import home_at, region_at

RETRY_AFTER_S = [2.0, 10.0, 30.0]


def _is_transient(_task: object, _run: object, state: State[object]) -> bool:
    """Only what the machine refused is tried again: a damaged ledger or region does not heal in seconds."""
    return isinstance(state.data, OSError)


@task(
    retries=len(RETRY_AFTER_S), retry_delay_seconds=RETRY_AFTER_S, retry_condition_fn=_is_transient,
    cache_policy=NO_CACHE, persist_result=False,
)  # fmt: skip
def land_and_register(paths: list[str], region: str, home: str, new_only: bool) -> list[Input]:
    """All files in one task: each is judged on its own inside, and repeating is harmless."""
    where, here = region_at(region), home_at(home)
    recover_home(here, where)
    return ingest_files([Path(path) for path in paths], here, where, new_only=new_only)


@flow(name="ingest", persist_result=False)
def ingest(paths: list[str], region: str = "", home: str = "", new_only: bool = False) -> list[Input]:
    """Land, decode and register files; broken ones are quarantined, the others go on. 导入文件.

    Args:
        paths: files, or folders of files, on the machine that runs the flow. 文件或目录
        region: folder name in station_meta; empty: WXCORE_REGION. 区域
        home: where archive, ledger and landed bytes live; empty: WXCORE_HOME. 数据目录
        new_only: leave out, unread, what was taken in before and is unchanged; for schedules. 跳过已导入文件
    """
    return land_and_register(paths, region, home, new_only)
