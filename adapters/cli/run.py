"""One run of `delete` or `sweep`: it takes the outcomes, and ends early where that is due."""

import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import BinaryIO, TextIO

import click
import msgspec

from firecrawl_interact import core
from firecrawl_interact.core.job import Job

from ..journals.base import BaseJournal
from .lines import Sums, json_line
from .record import open_record, read_record, write_line
from .report import Log, Report
from .screen import show, show_note, utc_time

_SECONDS_AFTER_SIGTERM = 3  # for what is in flight
_SECONDS_TO_EXIT = 7  # Supervisors send SIGKILL 10 s after SIGTERM, or later.
_REASONS = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the terminal was closed"}
_alarm = getattr(signal, "alarm", lambda seconds: 0)  # Windows has none.


class Run(msgspec.Struct):
    """Takes the outcomes of a run, records them as JSON lines, and shows them."""

    deletions: core.Deletions
    ids: Iterator[str]  #: What the run does not take stays there.
    report: Report
    record: BinaryIO | None
    _signal: str = ""  # the first one that came
    _has_alarm: bool = False  # It is set once: no signal that comes again puts it off.
    _has_output: bool = True  # Without it, what was done is said on standard error.

    def __call__(self) -> int:
        """Run to the end, and return the exit status."""
        for name in (*_REASONS, "SIGALRM"):
            number = getattr(signal, name, signal.SIGINT)
            # What a shell starts in the background ignores Ctrl-C, and is to go on ignoring it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        with self.report.bar, self.deletions:
            try:
                for outcome in self.deletions:
                    self._take(outcome)
            except core.RunEndedError as error:  # The report says what to do.
                self._stop(str(error).removesuffix(f" {error.advice}"))
            except RuntimeError as error:  # Maybe no thread can start.
                self._stop(str(error))
            for session_id in self.ids:
                self._show(Job(session_id).if_left(), utc_time())
        self.report.show_summary()
        if self._signal:
            os._exit(self._status)  # All is written, and a thread may hang.
        return self._status

    @property
    def _status(self) -> int:
        return {"SIGINT": 130, "SIGTERM": 143}.get(self._signal, int(self.report.has_failures))

    def _take(self, outcome: core.Outcome) -> None:
        ended_at = utc_time()
        if self.record is not None and outcome.attempts:
            try:
                write_line(self.record, json_line(outcome, ended_at))
            except OSError as error:
                self._stop_writing(self.record, "the file of --resume", error)
                self.record = None
        match outcome:
            case core.UnauthorizedError(transient=False) | core.UnreachableError(transient=False):
                # It is the same for every session: an untrusted certificate, for instance.
                self._stop(f"{outcome.args[0]}.")
        self._show(outcome, ended_at)

    def _show(self, outcome: core.Outcome, ended_at: str) -> None:
        try:
            self.report.add(outcome, ended_at)
        except OSError as error:  # It went to a full disk or a closed pipe.
            self._stop_writing(sys.stdout, "standard output", error)
            self._has_output = False
        if not self._has_output and outcome.attempts:
            show(f"{json_line(outcome, ended_at)}\n")

    def _stop_writing(self, stream: TextIO | BinaryIO, name: str, error: OSError) -> None:
        self._stop(f"{name} cannot be written: {error.strerror}.")
        # What the stream still holds is dropped, or Python would fail on it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def _stop(self, reason: str) -> None:
        self.report.stopped = self.report.stopped or reason
        self.deletions.stop()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        # Whoever reads the output may have stopped, and the third Ctrl-C exits at once.
        if name == "SIGALRM" or self.deletions.shutdown_timeout == 0:
            os._exit(self._status)
        # At the first Ctrl-C, what is in flight may take its time; at SIGTERM, a few seconds since
        # the first signal; and at the second Ctrl-C, none.
        if name != "SIGINT" or self._signal:
            if not self._has_alarm:
                self._has_alarm = True
                _alarm(_SECONDS_TO_EXIT)
            self.deletions.shutdown_timeout = 0 if name == "SIGINT" else _SECONDS_AFTER_SIGTERM
        is_first = not self._signal
        self._signal = self._signal or name
        self._stop(f"{_REASONS[name]}.")
        if is_first:  # Last: another signal may come meanwhile, and nobody may read the note.
            show_note("Stopping: what is in flight ends first. Ctrl-C ends it now.")


def make_run(
    context: click.Context,
    session_ids: Iterable[str],
    record: BinaryIO | None,
    *,
    done_before: int = 0,
    journal: BaseJournal | None = None,
) -> Run:
    """Make the run over these sessions, as the options say. What it needs ends with the context."""
    from ..environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    params = context.params
    logger = logging.getLogger("firecrawl_interact")
    level = logging.ERROR if params["quiet"] else logging.WARNING
    logger.setLevel(logging.DEBUG if params["verbose"] else level)
    logger.addHandler(Log())  # What is made next may warn.
    delete_session = context.with_resource(
        delete_session_from_environment(
            api_key=params["api_key"],
            api_url=params["api_url"],
            retry=core.RetryPolicy(deadline=params["deadline"]),
            journal=journal,
            allow_plain_http=params["allow_plain_http"],
            pool_size=params["concurrency"],
        )
    )
    left = list(session_ids)  # A sweep adopts them now: key and address have been checked.
    ids = iter(left)
    deletions = core.DeleteManySessions(delete_session, concurrency=params["concurrency"])(ids)
    sums = Sums(len(left), done_before=done_before)
    return Run(deletions, ids, Report(params, deletions, sums), record)


def record_of(context: click.Context) -> tuple[BinaryIO | None, dict[str, str]]:
    """Return the record of --resume, which is closed at the end, and what it says so far."""
    path = context.params["resume"]
    if path is None or (context.params["dry_run"] and not os.path.exists(path)):
        return None, {}
    record = context.with_resource(open_record(path))
    return record, read_record(record)
