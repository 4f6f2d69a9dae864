"""Lets pytest run on Pyodide, a Python that has no threads, no processes and no sockets.

A test that starts a thread or a process is skipped where it does so, and the report says so. This
replaces what Pyodide has and cannot do, which no type checker would let pass.
"""

import asyncio
import os
import subprocess
import threading
from asyncio import selector_events

import pytest

# Tests whose thread is started where a skip would count as a failure.
_OF_THREADS = (
    "test_a_block_that_is_entered_again_on_another_event_loop",
    "test_a_journal_that_hangs",
    "test_a_signal_s_handler_stops_an_awaited_run",
    "test_an_awaited_journal_is_called_in_daemon_threads",
    "test_what_on_outcome_raises_at_last",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name.startswith(_OF_THREADS):
            item.add_marker(pytest.mark.skip(reason="starts a thread"))


def _skip_thread(thread: threading.Thread) -> None:
    """The library calls a journal itself where no thread can start. Nothing else can do that."""
    if "NewThread" in getattr(thread._target, "__qualname__", ""):  # type: ignore[attr-defined] # a private name
        raise RuntimeError("can't start new thread")
    pytest.skip("starts a thread")


def _skip_process(*arguments: object, **options: object) -> None:
    pytest.skip("starts a process")


def _make_no_pipe(loop: asyncio.AbstractEventLoop) -> None:
    """Do nothing: where there are no threads, no other thread has to wake the event loop."""


if hasattr(os, "fork"):  # It is there, and always fails.
    del os.fork
threading.Thread.start = _skip_thread  # type: ignore[assignment, method-assign] # see above
subprocess.Popen.__init__ = _skip_process  # type: ignore[method-assign] # see above
for name in ("_make_self_pipe", "_close_self_pipe", "_write_to_self"):
    setattr(selector_events.BaseSelectorEventLoop, name, _make_no_pipe)

# Pyodide's own event loop is that of JavaScript: it cannot be waited for, and always runs.
asyncio.set_event_loop_policy(None)
asyncio.run = asyncio.run.__wrapped__  # type: ignore[attr-defined] # Pyodide's has it
asyncio._set_running_loop(None)
