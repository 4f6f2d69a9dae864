"""The record of `--resume`: what earlier runs have done, and which command uses it now."""

import os
import struct
import sys
from itertools import chain
from typing import BinaryIO

import msgspec

from .session_ids import same_for_all_spellings

if sys.platform != "win32":
    import fcntl


class _Line(msgspec.Struct):
    session_id: str
    outcome: str


def open_record(path: str) -> BinaryIO:
    """Open a record, and keep other commands from it until it is closed.

    Raises:
        OSError: it cannot be opened, or another command uses it.
    """
    try:
        record = open(path, "a+b")  # noqa: SIM115 - it is closed with the run
        if sys.platform != "win32":
            fcntl.lockf(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, BlockingIOError):
            with record:
                reason = f"{_owner_of_lock(record)} uses it. Wait for its end, or name another file"
        raise OSError(f"--resume {path}: {reason}") from None
    return record


def _owner_of_lock(record: BinaryIO) -> str:
    """Say who has the lock. Linux knows, unless it is a process of another host or container."""
    process = 0
    if sys.platform == "linux":
        layout = "hhqqi"  # struct flock, fcntl(2): its last field is the process
        asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        *_, process = struct.unpack(layout, fcntl.fcntl(record, fcntl.F_GETLK, asked))
    return f"process {process}" if process > 0 else "another command"


def read_record(record: BinaryIO) -> dict[str, str]:
    """Return the outcome of each session, by the key of its id, in the order of their last ones.

    A session that was deleted stays so, whatever came later. One that was not tried has none.
    The summary of `--json` says nothing, and neither does a line within which a run was killed.

    Raises:
        ValueError: it has something else.
    """
    recorded: dict[str, str] = {}
    decode = msgspec.json.Decoder(_Line).decode
    record.seek(0)
    for number, line in enumerate(record, 1):
        try:
            found = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            is_whole = isinstance(error, msgspec.ValidationError)
            beginning = b'{"sessions": ' if is_whole else b"{"
            # Zeros are what a power cut leaves of a line.
            if line.startswith(beginning) or not line.strip(b"\0\r\n\t "):
                continue
            reason = "this is not an outcome of a run. Name another file, or remove the line"
            raise ValueError(f"--resume {record.name}, line {number}: {reason}") from None
        key = same_for_all_spellings(found.session_id)
        if recorded.get(key) != "deleted" and found.outcome != "not-tried":
            recorded.pop(key, None)  # It goes to the end.
            recorded[key] = found.outcome
    return recorded


def write_line(record: BinaryIO, line: str) -> None:
    """Append a line, and end the one before it if a run was killed within that."""
    if record.seek(0, os.SEEK_END):
        record.seek(-1, os.SEEK_END)
        if record.read() != b"\n":
            record.write(b"\n")
    record.write(f"{line}\n".encode("ascii"))
    record.flush()


def in_order(ids: dict[str, str], recorded: dict[str, str], *, missing_is_done: bool) -> list[str]:
    """Return the ids that are not done, in the order in which they are deleted.

    Those that were never tried come first, from the two ends of the list in turn: ids that fail for
    ever are often side by side at one end, and many of them in a row look like an outage. Those
    that have failed come last, and each waits for all that have failed before it.
    """
    done = ["deleted", "SessionNotFoundError"] if missing_is_done else ["deleted"]
    new = [key for key in ids if key not in recorded]
    # last, first, last but one, second ...: each comes twice, and its first place counts
    from_both_ends = chain.from_iterable(zip(reversed(new), new, strict=True))
    failed = [key for key in recorded if key in ids and recorded[key] not in done]
    return [ids[key] for key in dict.fromkeys([*from_both_ends, *failed])]
