"""What outages cost a run of 400 ids, 8 at once, beyond the time that cannot be saved.

That time is what the ids take without an outage, and the outage itself. On a virtual clock.
"""

import math

from measure import Figure

from firecrawl_interact.core import RetryPolicy
from tests.core.outages import IDS, PAGES, Away, result_of

LATENCIES = (0.2, 5)  # seconds
FAULTS = {"refused": 20, "503": 20, "silent": 20 + RetryPolicy().attempt_timeout}
FAULTS |= dict.fromkeys(["backend", *PAGES], 20)


def _away(seconds: float, fault: str, latency: float) -> Away:
    # A run that meets pages alone takes its address for wrong.
    return Away(seconds, fault, latency, away_from=2 * latency if fault in PAGES else 0.0)


def seconds_beyond_the_outage() -> list[Figure]:
    figures = []
    for fault, most in FAULTS.items():
        for seconds_away in (2, 15, 60, 200):
            added = 0.0
            for latency in LATENCIES:
                result = result_of(_away(seconds_away, fault, latency))
                left_alive = IDS - result.destroyed
                added = max(added, result.seconds - latency * IDS / 8 - seconds_away)
                added = math.inf if left_alive else added
            name = f"an outage of {seconds_away} s ({fault}), seconds beyond it, all destroyed"
            figures.append(Figure(name, added, most, "s"))
    return figures


def requests_in_vain() -> list[Figure]:
    figures = []
    for fault in FAULTS:
        services = [_away(math.inf, fault, latency) for latency in LATENCIES]
        for service in services:
            result_of(service)
        in_vain = max(service.in_vain for service in services)
        figures.append(Figure(f"an outage without an end ({fault})", in_vain, 80, "requests"))
    return figures
