"""Which sessions the command deletes: from arguments, files and pipes, and which it skips."""

import re
from collections import deque
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple

import msgspec

from firecrawl_interact.core import SessionFate

_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)


class CannotReadError(Exception):
    """A file of ids broke off. What was taken from it before is not affected."""


class ReadingInterruptedError(Exception):
    """A signal ended the wait for a pipe's next line."""


class SessionIds:
    """Takes ids one by one, so that a list of any length is never held.

    Args:
        sources: ids, and files of ids: one a line, and comments from `#` on.
        gone: ids to be skipped.
    """

    def __init__(self, sources: Iterable[str | BinaryIO], gone: Container[str]) -> None:
        self._sources: deque[str | BinaryIO] = deque()
        for source in sources:
            if isinstance(source, str) or not source.isatty():
                self._sources.append(source)
            else:  # Typed at a terminal: nothing is sent before the list has ended.
                self._sources.extend(_ids_in(source))
        self._gone = gone
        self._stopped = False
        self.skipped = 0  #: how many so far

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self._sources:
            source = self._sources[0]
            session_id = source if isinstance(source, str) else self._next_of(source)
            if session_id is None or isinstance(source, str):
                self._sources.popleft()
            if session_id is None:
                continue
            if session_id not in self._gone:
                return session_id
            self.skipped += 1
        raise StopIteration

    def _next_of(self, file: BinaryIO) -> str | None:
        # Only a pipe can keep one waiting. What it gave in that moment counts as not taken.
        try:
            if self._stopped:
                raise ReadingInterruptedError
            return next(_ids_in(file), None)
        except OSError as error:
            self._sources.popleft()
            raise CannotReadError(f"{_name(file)} cannot be read: {error.strerror}.") from error

    def stop(self) -> None:
        """Take no more lines. The thread that waits for one may wait on."""
        self._stopped = True

    @property
    def arguments(self) -> list[str]:
        """The ids that are still to be taken and are in no file."""
        ids = [source for source in self._sources if isinstance(source, str)]
        return [session_id for session_id in ids if session_id not in self._gone]

    def count_in_files(self) -> int:
        """Count the ids that are still to be taken from files, which takes reading them."""
        count = 0
        for file in self._sources:
            if not isinstance(file, str) and file.seekable():
                place = file.tell()
                with suppress(OSError):  # It is told when the file's turn comes.
                    count += sum(session_id not in self._gone for session_id in _ids_in(file))
                file.seek(place)
        return count

    @property
    def pipes(self) -> list[str]:
        """The names of the pipes that may still bring more."""
        files = [source for source in self._sources if not isinstance(source, str)]
        return [_name(file) for file in files if not file.seekable()]


def _ids_in(file: BinaryIO) -> Iterator[str]:
    # By `readline`: an iteration reads ahead, and then cannot tell its place.
    for line in iter(file.readline, b""):
        text = line.decode(errors="surrogateescape").removeprefix("\ufeff")
        if "#" in text:
            text = _COMMENT.sub("", text)
        if session_id := text.strip():
            yield session_id


def _name(file: BinaryIO) -> str:
    return "Standard input" if file.name == "<stdin>" else file.name


class _Line(msgspec.Struct):
    session_id: str
    session_fate: str


class Journal(NamedTuple):
    """What the output of earlier runs says."""

    gone: set[str]
    foreign_lines: int
    """How many lines are no outcomes of this command."""
    is_cut: bool
    """Whether the last line has no end."""


def read_journal(file: Iterable[bytes]) -> Journal:
    """Read what `delete --json` printed."""
    decoder = msgspec.json.Decoder(_Line)
    gone = set()
    foreign_lines = 0
    line = b"\n"
    for line in file:
        try:
            outcome = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            foreign_lines += not line.isspace()
            continue
        if outcome.session_fate == SessionFate.GONE.value:
            gone.add(outcome.session_id)
    return Journal(gone, foreign_lines, is_cut=not line.endswith(b"\n"))
