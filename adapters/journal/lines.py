"""What a journal's file says: JSON lines, first a `Label`, then `Record`s."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from firecrawl_interact.core.session_ids import SENDABLE


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
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


def encode(line: Label | Record) -> bytes:
    """Return a line."""
    return msgspec.json.encode(line) + b"\n"


def read(path: Path) -> Content:
    """Read a file line by line. It takes the memory of what is open, not of what was written.

    A process that was killed can leave a last line that is cut off. A record that lacks only its
    end of line counts. A shorter one does not: the call that wrote it never returned.
    """
    label = None
    ids: dict[str, None] = {}
    unreadable, first_unreadable = 0, b""

    def skip(line: bytes) -> None:
        nonlocal unreadable, first_unreadable
        unreadable += 1
        first_unreadable = first_unreadable or line

    with path.open("rb") as file:
        first = file.readline()
        try:
            label = _decode_label(first)
        except _UNREADABLE:
            if first:
                skip(first)
        for line in file:
            try:
                record = _decode_record(line)
            except _UNREADABLE:
                if line != b"\n":
                    skip(line)
                continue
            if record.gone is not None:
                ids.pop(record.gone, None)
            else:
                ids[record.opened or ""] = None
    # All at once: there can be many ids, and hardly ever is there one that cannot be sent.
    sendable = list(filter(SENDABLE.fullmatch, ids))
    if len(sendable) < len(ids):
        for session_id in ids.keys() - sendable:
            skip(encode(Record(opened=session_id)))
    return Content(label, sendable, unreadable, first_unreadable)
