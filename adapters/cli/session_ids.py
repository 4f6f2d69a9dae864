"""Which sessions the command deletes: all ids are read and checked before anything is sent."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import chain

import click

from firecrawl_interact.core import InvalidSessionIdError, wire

from .screen import show_note

_ARGUMENT = "argument"
_LONGEST_EXCERPT = 50  # characters


def is_uuid(session_id: str) -> bool:
    """Say whether the service's database takes the id, or that of a scrape."""
    return wire.is_uuid(session_id.removeprefix("scrape:"))


def same_for_all_spellings(session_id: str) -> str:
    """Return a key of a session: the service takes a UUID in capitals, and without hyphens."""
    return session_id.lower().replace("-", "") if is_uuid(session_id) else session_id


def read_session_ids(arguments: Sequence[str], files: Sequence[str]) -> tuple[dict[str, str], int]:
    """Read ids, and files with one id a line. In both, "-" stands for standard input.

    Returns:
        The sessions by their keys, each in its first spelling; and the number of duplicates.

    Raises:
        ValueError: some cannot be ids. The message names the place of the first one.
        OSError: a file cannot be read.
    """
    session_ids: dict[str, str] = {}
    problems: list[str] = []
    count = 0
    given = [(_ARGUMENT, text) for text in arguments if text != "-"]
    paths = [*(text for text in arguments if text == "-"), *files]
    for place, text in chain(given, *map(_texts_in, paths)):  # Lazily: there may be a million.
        count += 1
        key = same_for_all_spellings(text)
        if key is text and (problem := _problem(place, text)):  # Otherwise it is a UUID.
            problems.append(f"{place} {text[:_LONGEST_EXCERPT]!a}: {problem}")
        else:
            session_ids.setdefault(key, text)
    if problems:
        more = f" {len(problems) - 1} more cannot be ids either." if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)
    return session_ids, count - len(session_ids)


def _problem(place: str, text: str) -> str | None:
    """Say why a text that is no UUID is no id either, or None: a fork's may be any."""
    if text.lower() in {"null", "none", "undefined", "nan"}:
        return "it is a missing value, not an id: jq '.[0] | keys' shows the names of the fields."
    if place.endswith(", line 1:") and text.lower().replace("_", "") in {"id", "sessionid"}:
        return f"it is a column's name: tail -n +2 leaves it out, jq -r '.[].{text}' takes the ids."
    if place == _ARGUMENT and os.path.isfile(text):
        return f"it is the name of a file, not an id: --from {shlex.quote(text)} reads its ids."
    if place != _ARGUMENT and not {"\0", "\r", "\ufffd"}.isdisjoint(text):
        return "it is not one id a line in UTF-8: another encoding, or other line ends, perhaps."
    try:
        wire.checked_session_id(text, may_be_scrape=True)
    except InvalidSessionIdError as error:
        return f"{error.args[0]}. {error.advice}"
    return None


def _texts_in(path: str) -> Iterator[tuple[str, str]]:
    """Give what should be the ids of a file, each with its place."""
    name = "standard input" if path == "-" else path
    if path == "-" and sys.stdin is None:
        raise ValueError("standard input is closed")
    try:
        with click.open_file(path, "rb") as file:
            if file.isatty():
                show_note("Give one session id a line. Ctrl-D ends the list.")
            for number, line in enumerate(file, 1):
                # A file from Windows may begin with a byte order mark.
                if text := line.strip().decode(errors="replace").removeprefix("\ufeff"):
                    yield f"{name}, line {number}:", text
    except OSError as error:
        raise OSError(f"{name}: {error.strerror or error}") from None
