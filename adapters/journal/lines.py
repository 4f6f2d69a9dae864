"""What a journal's file says: JSON lines, first a `Label`, then `Record`s."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from firecrawl_interact.core.errors import InvalidSessionIdError
from firecrawl_interact.core.wire import checked_session_id


class Label(msgspec.Struct, forbid_unknown_fields=True):
    """The first line: the service that the file's sessions are of."""

    service: str | None


class Record(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A session that was opened, or one that is gone."""

    opened: str | None = None
    gone: str | None = None


class Content(NamedTuple):
    """What a file says about the sessions that are still open."""

    label: Label | None  #: None: the first line is no label
    ids: list[str]  #: in the order in which they were recorded
    unreadable: int  #: how many lines are cut off, or were not written by a journal
    first_unreadable: bytes  #: one of them; empty if there is none


_decode_label = msgspec.json.Decoder(Label).decode
_decode_record = msgspec.json.Decoder(Record).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidSessionIdError)


def encode(line: Label | Record) -> bytes:
    """Return a line."""
    return msgspec.json.encode(line) + b"\n"


def read(path: Path) -> Content:
    """Read a file line by line. It takes the memory of what is open, not of what was written.

    A process that was killed can leave a last line that is cut off. A record that lacks only its
    end of line counts; nobody was told that a shorter one is recorded.
    """
    label = None
    ids: dict[str, None] = {}
    unreadable = 0
    first_unreadable = b""
    with path.open("rb") as file:
        line = file.readline()
        try:
            label = _decode_label(line)
        except _UNREADABLE:
            unreadable, first_unreadable = len(line[:1]), line
        for line in file:
            try:
                record = _decode_record(line)
                if record.gone is not None:
                    ids.pop(record.gone, None)
                else:
                    ids[checked_session_id(record.opened)] = None
            except _UNREADABLE:
                if line != b"\n":
                    unreadable += 1
                    first_unreadable = first_unreadable or line
    return Content(label, list(ids), unreadable, first_unreadable)
