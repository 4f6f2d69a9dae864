"""Programs that destroy sessions, with the careful lines and with this library.

Arguments: the name of a program, and ids. It says "ready", and then of each id what it knows, as
soon as it knows it. A Ctrl-C ends it.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from firecrawl_interact.adapters import FileJournal, delete_session_from_environment
from firecrawl_interact.core import DeleteManySessions, Outcome, SessionFate

from . import careful_lines

PATIENCE = 60
"""Seconds that a block would last if nobody ended it."""


def say(session_id: str, fate: str) -> None:
    print(session_id, fate, flush=True)


# The careful lines


def new_client() -> httpx.Client:
    key = os.environ["FIRECRAWL_API_KEY"]
    return httpx.Client(headers={"Authorization": f"Bearer {key}"})


def delete_with_lines(client: httpx.Client, session_id: str) -> str:
    api_url = os.environ["FIRECRAWL_API_URL"]
    return careful_lines.delete(client, f"{api_url}/v2/interact/{session_id}")


def many_with_lines(session_ids: Sequence[str]) -> None:
    """Delete many sessions in a pool of eight threads, as many as a run has."""
    with new_client() as client, ThreadPoolExecutor(8) as pool:
        fates = pool.map(lambda session_id: delete_with_lines(client, session_id), session_ids)
        for session_id, fate in zip(session_ids, fates, strict=True):
            say(session_id, fate)


def block_with_lines(session_ids: Sequence[str]) -> None:
    """Use a session, and delete it at the end, however that comes."""
    for session_id in session_ids:
        with new_client() as client:
            try:
                use_the_browser()
            finally:
                say(session_id, delete_with_lines(client, session_id))


# This library


def say_outcome(outcome: Outcome | None) -> None:
    assert outcome is not None
    fate = outcome.session_fate
    words = {SessionFate.GONE: "gone", SessionFate.UNTOUCHED: "not gone"}
    say(outcome.session_id, words.get(fate, "unknown"))


def many_with_library(session_ids: Sequence[str]) -> None:
    """Delete many sessions in a run."""
    with delete_session_from_environment() as delete_session:
        deletions = DeleteManySessions(delete_session)(session_ids)
        try:
            with deletions:
                for outcome in deletions:
                    say_outcome(outcome)
        finally:
            for outcome in deletions:  # those that had not been taken when the block was left
                say_outcome(outcome)


def block_with_library(session_ids: Sequence[str]) -> None:
    """Destroy what a process that was killed has left, then use a session."""
    with (
        FileJournal(os.environ["FIRECRAWL_INTERACT_JOURNAL"]) as journal,
        delete_session_from_environment(journal=journal) as delete_session,
    ):
        for orphan in journal.adopt_orphans():
            say_outcome(delete_session(orphan))
        for session_id in session_ids:
            ending = delete_session.on_exit(session_id)
            try:
                with ending:
                    use_the_browser()
            finally:
                say_outcome(ending.outcome)


def use_the_browser() -> None:
    print("in the block", flush=True)
    if "BLOCK_ENDS_AT_ONCE" not in os.environ:
        time.sleep(PATIENCE)


PROGRAMS: dict[str, Callable[[Sequence[str]], None]] = {
    program.__name__: program
    for program in (many_with_lines, block_with_lines, many_with_library, block_with_library)
}

if __name__ == "__main__":
    _, name, *ids = sys.argv
    print("ready", flush=True)
    try:
        PROGRAMS[name](ids)
    except KeyboardInterrupt:
        print("ended by Ctrl-C", flush=True)
