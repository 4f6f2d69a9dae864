"""Measures what the library promises, and prints the table. Run it with `make benchmark`."""

import sys

import command
import journal
import many_sessions
import one_session
import outages
import rate_limits
import start

FIGURES = [
    one_session.over_urllib3,
    one_session.over_asyncio,
    one_session.core_alone,
    many_sessions.over_urllib3,
    many_sessions.over_asyncio,
    many_sessions.a_million_ids,
    many_sessions.kept_errors,
    many_sessions.rate_limit,
    outages.seconds_beyond_the_outage,
    outages.requests_in_vain,
    rate_limits.to_the_shortest_time,
    journal.recorded,
    journal.a_hundred_thousand_orphans,
    journal.two_hundred_thousand_sessions,
    start.of_the_core,
    start.with_urllib3,
    start.with_asyncio,
    start.of_the_command,
    command.a_million_ids,
    command.rows_on_a_terminal,
]

if __name__ == "__main__":
    chosen = sys.argv[1:]
    print("| what | measured | at most | |")
    print("| --- | --- | --- | --- |")
    for figure in FIGURES:
        name = f"{figure.__module__}.{figure.__name__}"
        if not chosen or any(word in name for word in chosen):
            found = figure()
            for line in found if isinstance(found, list) else [found]:
                print(line, flush=True)
