"""Lets pytest run on Pyodide, a Python that has no threads, no processes and no sockets.

A test that starts a thread or a process is skipped where it does so, and the report says so. This
replaces what Pyodide has and cannot do, which no type checker would let pass.
"""

import asyncio
import gc
import os
import subprocess
import threading
from asyncio import selector_events

import pytest

CRASHES = (
    "test_a_coroutine_that_is_closed_before_its_block_begins_warns",
    "test_closing_at_each_turn",
    "test_forgotten_runs",
    "test_freed_at_once",
    "test_interrupted_blocks",
    "test_interrupted_runs",
)
"""Pyodide ends in these, which collect garbage or trace: "null function or function signature
mismatch"."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(name in item.nodeid for name in CRASHES):
            item.add_marker(pytest.mark.skip(reason="Pyodide ends in it"))


def _skip_thread(thread: threading.Thread) -> None:
    """The library calls a journal itself where no thread can start. Nothing else can do that."""
    if "NewThread" in getattr(thread._target, "__qualname__", ""):  # type: ignore[attr-defined] # a private name
        raise RuntimeError("can't start new thread")
    pytest.skip("starts a thread")


def _skip_process(*arguments: object, **options: object) -> None:
    pytest.skip("starts a process")


def _make_no_pipe(loop: asyncio.AbstractEventLoop) -> None:
    """Do nothing: where there are no threads, no other thread has to wake the event loop."""


gc.disable()
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
