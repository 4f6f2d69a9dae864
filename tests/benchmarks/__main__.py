"""Measures what the library promises, and prints the table. Run it with `make benchmark`."""

import sys

import journal
import outages
import rate_limits
import sessions
import start

FIGURES = [
    sessions.one_over_urllib3,
    sessions.one_over_asyncio,
    sessions.core_alone,
    sessions.many_over_urllib3,
    sessions.many_over_asyncio,
    sessions.a_million_ids,
    sessions.kept_errors,
    sessions.rate_limit,
    outages.seconds_beyond_the_outage,
    outages.requests_in_vain,
    rate_limits.to_the_shortest_time,
    journal.recorded,
    journal.a_hundred_thousand_orphans,
    journal.two_hundred_thousand_sessions,
    start.imports,
    start.of_the_command,
    start.a_million_ids,
]

if __name__ == "__main__":
    chosen = sys.argv[1:]
    print("| what | measured | at most | |")
    print("| --- | --- | --- | --- |")
    for figure in FIGURES:
        name = f"{figure.__module__}.{figure.__name__}"
        if not chosen or any(word in name for word in chosen):
            for line in figure():
                print(line, flush=True)
