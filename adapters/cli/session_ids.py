"""Which sessions the command deletes: all ids are read and checked before anything is sent."""

import os
from collections.abc import Collection, Iterable, Iterator
from typing import BinaryIO

import msgspec

from firecrawl_interact.core import InvalidSessionIdError
from firecrawl_interact.core.wire import checked_session_id

_LONGEST_EXCERPT = 50  # characters
_NO_TEXT = "it is no UTF-8 text: if it is a list of ids in UTF-16, save it as UTF-8"


class BadInputError(Exception):
    """The input cannot be used. The message names the place."""


def read_session_ids(sources: Iterable[str | BinaryIO]) -> tuple[dict[str, None], int]:
    """Read all ids.

    Args:
        sources: ids, and files with one id a line. White space around it does not count.

    Returns:
        Each id once, in the order of the input; and how many came again.

    Raises:
        BadInputError: a file cannot be read, or has what cannot be an id.
    """
    ids: dict[str, None] = {}
    count = problems = 0
    first_problem = ""
    for place, line, text in _texts_in(sources):
        count += 1
        try:
            ids[checked_session_id(text)] = None
        except InvalidSessionIdError as error:
            problems += 1
            if problems == 1:
                reason = _NO_TEXT if "\0" in text or "\ufffd" in text else error.args[0]
                excerpt = text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}..."
                first_problem = f"{place}{f', line {line}' if line else ''}: {excerpt!a}: {reason}."
    if problems:
        more = f" {problems - 1} more cannot be ids either." if problems > 1 else ""
        raise BadInputError(first_problem + more)
    return ids, count - len(ids)


def _texts_in(sources: Iterable[str | BinaryIO]) -> Iterator[tuple[str, int, str]]:
    """Give what should be ids, each with the name of its source and its line from 1 on."""
    for source in sources:
        if isinstance(source, str):
            yield "an argument", 0, source
            continue
        name = "standard input" if source.name == "<stdin>" else os.fsdecode(source.name)
        try:
            for number, line in enumerate(source, 1):
                # A file from Windows may begin with a byte order mark.
                if text := line.strip().decode(errors="replace").removeprefix("\ufeff"):
                    yield name, number, text
        except OSError as error:
            raise BadInputError(f"{name} cannot be read: {error.strerror}.") from error


class _Line(msgspec.Struct):
    session_id: str
    outcome: str


def remove_done(ids: dict[str, None], path: str, done: Collection[str]) -> bool:
    """Remove the ids that have one of the outcomes `done` in the record of earlier runs.

    Returns:
        Whether the record ends within a line.

    Raises:
        BadInputError: a line of it was written by no run.
    """
    line = b"\n"
    if os.path.isfile(path):  # A device such as /dev/full may have no end.
        decode = msgspec.json.Decoder(_Line).decode
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    outcome = decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    if line.isspace() or line.startswith(b"{"):  # A run was killed within a line.
                        continue
                    place = f"{path}, line {number}"
                    raise BadInputError(f"{place}: this is no record of a run.") from None
                if outcome.outcome in done:
                    ids.pop(outcome.session_id, None)
    return not line.endswith(b"\n")
