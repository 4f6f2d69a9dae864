"""Which sessions the command deletes: all ids are read and checked before anything is sent."""

import os
import shlex
import uuid
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from firecrawl_interact.core import InvalidSessionIdError
from firecrawl_interact.core.wire import checked_session_id

from .screen import show_note

_ARGUMENT = "an argument"
_LONGEST_EXCERPT = 50  # characters


def uuid_in(session_id: str) -> uuid.UUID | None:
    """Return the UUID of a session, or of the scrape whose session it is. A fork may have none."""
    try:
        return uuid.UUID(session_id.removeprefix("scrape:"))
    except ValueError:
        return None


def same_for_all_spellings(session_id: str) -> str:
    """Return a key of a session: the service takes a UUID in capitals, and without hyphens."""
    prefix = "scrape:" if session_id.startswith("scrape:") else ""
    found = uuid_in(session_id)
    return session_id if found is None else f"{prefix}{found}"


def read_session_ids(sources: Iterable[str | BinaryIO]) -> list[str]:
    """Read ids, and files with one id a line.

    Raises:
        ValueError: some cannot be ids. The message names the place of the first one.
        OSError: a file cannot be read.
    """
    session_ids: list[str] = []
    problems: list[str] = []
    for place, is_first, text in _texts_in(sources):
        if problem := _problem(place, text, is_first=is_first):
            problems.append(f"{place}: {text[:_LONGEST_EXCERPT]!a}: {problem}")
        else:
            session_ids.append(text)
    if problems:
        more = f" {len(problems) - 1} more cannot be ids either." if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)
    return session_ids


def _problem(place: str, text: str, *, is_first: bool) -> str | None:
    """Say why a text is no id, or None. A server of one's own may use such words: few do."""
    if text.lower() in {"null", "none", "undefined", "nan"}:
        return (
            "it is a missing value, not an id: jq '.[0] | keys' shows the names of the fields, and"
            " jq -r '.[].sessionId' takes the ids if theirs is sessionId."
        )
    if is_first and text.lower().replace("_", "") in {"id", "sessionid"}:
        return (
            "it is the name of a column, not an id: tail -n +2 leaves it out, and from JSON"
            f" jq -r '.[].{text}' takes the ids alone."
        )
    if place == _ARGUMENT and uuid_in(text) is None and os.path.isfile(text):
        return f"it is the name of a file, not an id: --from {shlex.quote(text)} reads its ids."
    try:
        checked_session_id(text, may_be_scrape=True)
    except InvalidSessionIdError as error:
        return f"{error.args[0]}. {error.advice}"
    return None


def _texts_in(sources: Iterable[str | BinaryIO]) -> Iterator[tuple[str, bool, str]]:
    """Give what should be ids, each with its place and whether it is the first one of a file."""
    for source in sources:
        if isinstance(source, str):
            yield _ARGUMENT, False, source
            continue
        if source.isatty():
            show_note("Give one session id a line. Ctrl-D ends the list.")
        name = "standard input" if source.name == "<stdin>" else os.fsdecode(source.name)
        is_first = True
        for number, line in enumerate(source, 1):
            # A file from Windows may begin with a byte order mark.
            if text := line.strip().decode(errors="replace").removeprefix("\ufeff"):
                yield f"{name}, line {number}", is_first, text
                is_first = False
