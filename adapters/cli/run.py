"""A run of `delete`: from the first id to the summary, and the signals that end it early."""

import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    InvalidSessionIdError,
    OutageError,
    Outcome,
    SessionNotFoundError,
    UnauthorizedError,
)

from .output import (
    Output,
    Show,
    discard_output,
    log_shown,
    show_note,
    show_on_stderr,
    write_at_once,
)
from .session_ids import CannotReadError, ReadingInterruptedError, SessionIds
from .words import Progress, shown

_SAFE = "Deleting a session again is safe: it is billed once."


class Run:
    """Deletes the sessions, and prints what becomes of each.

    Args:
        delete_session: destroys one.
        session_ids: what to delete.
        concurrency: the most requests in flight at a time.
        missing_ok: whether a session that is not found is fine.
        output: where outcomes are printed.
    """

    def __init__(
        self,
        delete_session: DeleteSession,
        session_ids: SessionIds,
        *,
        concurrency: int,
        missing_ok: bool,
        output: Output,
    ) -> None:
        self._session_ids = session_ids
        self._missing_ok = missing_ok
        self._output = output
        self._deletions = DeleteManySessions(delete_session, concurrency=concurrency)(self._ids())
        self._progress = Progress()
        self._under_way: list[str] = []
        # Ids are read in a thread of the run's own, and recorded in this one.
        self._refused: deque[InvalidSessionIdError] = deque()
        self._signal: int | None = None
        self._reason: str | None = None  # why it ends early
        self._failed = False
        self._unauthorized = False
        self._show: Show = show_on_stderr

    def __call__(self) -> int:
        """Run to the end.

        Returns:
            The exit status.
        """
        with self._signals_handled():
            if self._output.has_bar and not self._session_ids.pipes:
                self._progress.total = self._count_remaining()
            with (
                log_shown(),
                self._output.printing(self._progress, lambda: self._deletions.pause) as self._show,
            ):
                try:
                    for outcome in self._deletions:
                        self._record(outcome)
                        self._record_refused_ids()
                except ReadingInterruptedError:
                    pass
                except OutageError as error:
                    self._stop(str(error))
                except CannotReadError as error:
                    self._stop(str(error))
                except RuntimeError as error:  # such as no more threads to be had
                    self._stop(f"{error} ({error.__cause__}).")
                self._record_refused_ids()
            self._show_end()
        if self._signal is not None:
            status = 128 + self._signal  # what a shell reports of a command that a signal ended
            if self._session_ids.pipes:  # A thread waits for them, and would end Python with abort.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
            return status
        return 1 if self._failed or self._reason else 0

    @property
    def had_ids(self) -> bool:
        """Whether there was any id at all."""
        return bool(self._progress.done or self._session_ids.skipped or self._reason)

    def _ids(self) -> Iterator[str]:
        for session_id in self._session_ids:
            if len(session_id.split()) > 1:
                # The service would say that it knows no such session, and the ones meant live on.
                error = InvalidSessionIdError(
                    "the id cannot be sent: it has blanks inside", session_id=session_id
                )
                error.advice = "Give each id as an argument or a line of its own."
                self._refused.append(error)
                continue
            self._under_way.append(session_id)
            yield session_id

    def _record_refused_ids(self) -> None:
        while self._refused:
            self._record(self._refused.popleft())

    def _record(self, outcome: Outcome) -> None:
        self._progress.add(outcome)
        fine = not isinstance(outcome, DeleteSessionError) or (
            self._missing_ok and isinstance(outcome, SessionNotFoundError)
        )
        self._failed = self._failed or not fine
        is_news = not fine and not self._progress.is_left(outcome)
        if isinstance(outcome, UnauthorizedError):
            is_news = not self._unauthorized
            self._unauthorized = True
            self._stop("The service does not take this API key: nothing more was sent.")
        try:
            self._show(outcome, fine, str(outcome) if is_news else None)
        except OSError as error:  # the output went to a full disk or a closed pipe
            self._stop(f"The output cannot be written: {error.strerror}.")
            discard_output(sys.stdout.fileno())
            self._show = show_on_stderr
            self._show(outcome, fine, str(outcome) if is_news else None)
        if outcome.session_id in self._under_way:
            self._under_way.remove(outcome.session_id)

    def _stop(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._progress.stopping = True
        self._deletions.stop()

    def _count_remaining(self) -> int:
        return len(self._session_ids.arguments) + self._session_ids.count_in_files()

    def _show_end(self) -> None:
        ended_early = self._reason is not None
        lines = ["", self._reason] if self._reason is not None else []
        if not_tried := self._session_ids.arguments:
            lines += ["Not tried:", *map(_indented, not_tried)]
        self._progress.not_tried += self._count_remaining()
        skipped = self._session_ids.skipped
        if ended_early or skipped or self._progress.done > 1:
            lines += self._progress.summary(skipped=skipped)
        lines += [f"{name} was not read to its end." for name in self._session_ids.pipes]
        if ended_early:
            lines.append(_SAFE)
        if lines:
            show_note("\n".join(lines))

    @contextmanager
    def _signals_handled(self) -> Iterator[None]:
        # What a shell starts in the background ignores Ctrl-C, and is to go on ignoring it.
        numbers = [
            number
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) is not signal.SIG_IGN
        ]
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._progress.stopping:
            self._signal = number
            self._stop("Interrupted." if number == signal.SIGINT else "Ended by SIGTERM.")
            if not self._output.has_bar:
                write_at_once("\nStopping: what is in flight ends first. Ctrl-C quits at once.\n")
            self._session_ids.stop()
        elif number == signal.SIGINT:  # A second SIGTERM may be the first one, sent on by a parent.
            self._quit()

    def _quit(self) -> None:
        lines = ["", "Quit at once."]
        if self._under_way:
            lines += ["May or may not be deleted:", *map(_indented, self._under_way)]
        if not_tried := self._session_ids.arguments:
            lines += ["Not tried:", *map(_indented, not_tried)]
        self._output.write_last("\n".join([*lines, _SAFE, ""]))
        os._exit(128 + signal.SIGINT)  # In-flight requests would keep a usual end waiting.


def _indented(session_id: str) -> str:
    return f"  {shown(session_id)}"
