"""Measures what the library costs beside the bare libraries, and prints tables for the pages.

`make benchmark` runs it. Both sides of a comparison run in turn in one process, so that a machine
that changes its speed changes both. The service is a process of its own, whose time does not count.
`make pace` plays limits and outages.
"""

import asyncio
import json
import logging
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import chain
from statistics import median

import aiohttp
import urllib3

from firecrawl_interact import adapters, core

SESSIONS = 1_000
CONCURRENCY = 32
LATENCY = 0.25
IDEAL = math.ceil(SESSIONS / CONCURRENCY) * LATENCY
"""Seconds: so many rounds of so long, with nothing in between."""
IDS = [f"0199a7c4-5d1e-7b60-9f3a-{number:012}" for number in range(SESSIONS)]
HEADERS = {"Authorization": "Bearer fc-test"}
BODY = b'{"success":true,"sessionDurationMs":39095.5,"creditsBilled":2,"status":"stopped"}'
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


# Both in turn

Pair = tuple[Callable[[], object], Callable[[], object]]
"""What does some work with this library, and with the bare one."""


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the processor, for this process with its threads, and of the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def in_turn(pair: Pair, rounds: int) -> tuple[float, float]:
    """Return the median ratio of processor time, and the least seconds of this library."""
    ours, bare = pair
    taken = [(spent(ours), spent(bare)) for _ in range(rounds)]
    return median(own[0] / other[0] for own, other in taken), min(own[1] for own, _ in taken)


# The service, which says the same to every request


async def serve(latency: float) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(latency)
                writer.write(RESPONSE)

    server = await asyncio.start_server(respond, "127.0.0.1", backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def service(latency: float = 0) -> Iterator[str]:
    """Run one, and give its address."""
    command = [sys.executable, "-m", "tests.benchmarks", "serve", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


# A delete, and many


@contextmanager
def blocking(api_url: str, *, many: bool) -> Iterator[Pair]:
    """Give what deletes one by one, or many at a time, and the same on urllib3 alone."""

    def bare(session_id: str) -> object:
        path = f"/v2/interact/{session_id}"
        response = pool.urlopen("DELETE", path, headers=HEADERS, redirect=False, retries=False)
        return json.loads(response.data)

    with (
        urllib3.connection_from_url(api_url, maxsize=CONCURRENCY) as pool,
        ThreadPoolExecutor(CONCURRENCY) as executor,
        core.DeleteSession(adapters.Urllib3Transport(api_url), "fc-test") as delete_session,
    ):
        delete_many = partial(delete_session.many, concurrency=CONCURRENCY)
        if many:
            yield lambda: list(delete_many(IDS)), lambda: list(executor.map(bare, IDS))
        else:
            yield lambda: list(map(delete_session, IDS)), lambda: list(map(bare, IDS))


@contextmanager
def awaited(api_url: str, *, many: bool) -> Iterator[Pair]:
    """Give the same for what is awaited, and for aiohttp alone."""

    async def bare(session_id: str) -> None:
        async with session.delete(f"{api_url}/v2/interact/{session_id}", headers=HEADERS) as got:
            json.loads(await got.read())

    async def run() -> None:
        if many:
            async for _ in delete_many(IDS):
                pass
            return
        for session_id in IDS:
            await delete_session(session_id)

    async def run_bare() -> None:
        if many:
            await asyncio.gather(*map(bare, IDS))
            return
        for session_id in IDS:
            await bare(session_id)

    async def connect() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY))

    with asyncio.Runner() as runner:
        session = runner.run(connect())
        delete_session = core.AsyncDeleteSession(adapters.AsyncioTransport(api_url), "fc-test")
        delete_many = partial(delete_session.many, concurrency=CONCURRENCY)
        yield lambda: runner.run(run()), lambda: runner.run(run_bare())
        runner.run(session.close())
        runner.run(delete_session.aclose())


def deletes() -> Iterator[tuple[str, str]]:
    with service() as api_url:
        with blocking(api_url, many=False) as pair:
            ratio, _ = in_turn(pair, rounds=11)
            yield "CPU of a delete / of bare urllib3", f"{ratio:.2f} x"
        with awaited(api_url, many=False) as pair:
            ratio, _ = in_turn(pair, rounds=11)
            yield "CPU of an awaited delete / of bare aiohttp", f"{ratio:.2f} x"
    with service(LATENCY) as api_url:
        for kind, beside, open_pair in (
            ("threads", "urllib3 in a thread pool", blocking),
            ("tasks", "bare aiohttp", awaited),
        ):
            with open_pair(api_url, many=True) as pair:
                ratio, seconds = in_turn(pair, rounds=3)
            what = f"{SESSIONS:,} sessions of {LATENCY} s, {CONCURRENCY} {kind} at a time"
            yield f"{what} / the ideal time", f"{seconds / IDEAL:.2f} x"
            yield f"their CPU / of {beside}", f"{ratio:.2f} x"


# Imports


def seconds_of(libraries: str, ours: str) -> list[float]:
    """Return the seconds of the processor that a new interpreter spends on two imports."""
    clock = "from time import process_time as now"
    lines = [clock, "began = now()", f"import {libraries}", "between = now()", ours]
    program = "\n".join([*lines, "print(between - began, now() - between)"])
    with_bytecode = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # It is there after a round.
    code = [sys.executable, "-c", program]
    done = subprocess.run(code, check=True, env=with_bytecode, capture_output=True, text=True)
    return [float(seconds) for seconds in done.stdout.split()]


def imports() -> Iterator[tuple[str, str]]:
    of_core = "import firecrawl_interact.core"
    with_transport = f"{of_core}\nfrom firecrawl_interact.adapters import Urllib3Transport"
    for what, ours, libraries in (
        ("import of the core", of_core, "msgspec"),
        ("import with `Urllib3Transport`", with_transport, "msgspec, urllib3"),
    ):
        rounds = [seconds_of(libraries, ours) for _ in range(41)]
        bare, own = map(median, zip(*rounds, strict=True))
        yield f"{what} / of {libraries}", f"{(bare + own) / bare:.2f} x"


# What is printed


def print_table(rows: Iterable[tuple[str, str]]) -> None:
    print("\n| What | Ratio |\n|---|--:|")
    for what, ratio in rows:
        print(f"| {what} | {ratio} |", flush=True)


def main() -> None:
    logging.disable()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("urllib3", "aiohttp", "msgspec"))
    load = f"a load of {os.getloadavg()[0]:.1f}"
    machine = f"{os.cpu_count()} cores ({platform.machine()}) with {load}"
    python = f"Python {platform.python_version()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {python}, {libraries}")
    print_table(chain(deletes(), imports()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(float(sys.argv[2])))
    else:
        main()
