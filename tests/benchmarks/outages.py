"""What outages cost a run of 400 ids, 8 at once, beyond the time that cannot be saved.

That time is what the ids take without an outage, and the outage itself. On a virtual clock.
"""

import math
from collections.abc import Iterator

from measure import Figure

from firecrawl_interact.core import RetryPolicy
from tests.core.outages import FAULTS, IDS, destroyed, run_through, seconds_beyond

LATENCIES = (0.2, 5)  # seconds


def seconds_beyond_the_outage() -> Iterator[Figure]:
    for fault in FAULTS:
        most = 20 + (RetryPolicy().attempt_timeout if fault == "silent" else 0)
        for seconds_away in (2, 15, 60, 200):
            runs = [(run_through(fault, seconds_away, latency), latency) for latency in LATENCIES]
            added = max(seconds_beyond(watch, seconds_away, latency) for watch, latency in runs)
            if any(destroyed(watch) < IDS for watch, _ in runs):
                added = math.inf
            name = f"an outage of {seconds_away} s ({fault}), seconds beyond it, all destroyed"
            yield Figure(name, max(added, 0), most, "s")


def requests_in_vain() -> Iterator[Figure]:
    for fault in FAULTS:
        runs = [run_through(fault, math.inf, latency) for latency in LATENCIES]
        in_vain = max(watch.world.in_vain for watch in runs)
        yield Figure(f"an outage without an end ({fault})", in_vain, 80, "requests")
