"""Ratios of CPU time, taken in turns so that a machine that changes speed changes both sides."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import trustme


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    measured: float
    limit: float
    unit: str = "x"

    def __str__(self) -> str:
        verdict = "met" if self.measured <= self.limit else "MISSED"
        return f"| {self.what} | {self.measured:.3g} {self.unit} | {self.limit:g} | {verdict} |"


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this process, all threads, for one run."""
    began = time.process_time()
    work()
    return time.process_time() - began


def median_ratio(
    ours: Callable[[], object], bare: Callable[[], object], *, rounds: int = 15
) -> float:
    """Return the median, over rounds, of our CPU time to the bare one's in the same round."""
    ours(), bare()
    ratios = []
    for turn in range(rounds):
        if turn % 2:
            spent = cpu_seconds(ours)
            ratios.append(spent / cpu_seconds(bare))
        else:
            spent = cpu_seconds(bare)
            ratios.append(cpu_seconds(ours) / spent)
    return median(ratios)


@contextmanager
def service(*, sessions: int = 1, latency: float = 0.0) -> Iterator[tuple[str, list[str]]]:
    """Run a loopback service in a process of its own; give its address and its sessions."""
    with _process(str(sessions), str(latency)) as started:
        yield started


@contextmanager
def service_over_tls() -> Iterator[tuple[str, list[str], ssl.SSLContext]]:
    """Run a service that speaks TLS; give its address, its session and whom to trust."""
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    pem = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    with pem.tempfile() as certificate, _process(certificate) as (api_url, session_ids):
        yield api_url, session_ids, context


@contextmanager
def _process(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    command = [sys.executable, __file__.replace("measure.py", "service.py"), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        api_url, session_ids = json.loads(process.stdout.readline())
        try:
            yield api_url, session_ids
        finally:
            process.terminate()
