"""The command `firecrawl-interact`, which needs the extra `cli`.

The commands themselves are in `commands`: this module can be imported without the extra.
"""

import os
import signal
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command, or say in one line what to install."""
    if find_spec("click") is None:
        sys.exit('firecrawl-interact needs click: pip install ".[cli]" in a clone of it')
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # It is closed, and a socket would take its descriptor.
            os.open(os.devnull, os.O_RDWR)
        if name != "stdin":
            # PYTHONUNBUFFERED takes the buffer, and what a full disk cuts off would be no error.
            encoding = getattr(stream, "encoding", "utf-8")  # It may not be able to show all.
            setattr(sys, name, open(number, "w", -1, encoding, "backslashreplace", closefd=False))  # noqa: SIM115
    try:
        from .commands import command  # noqa: PLC0415 - the extra may be absent

        command(prog_name="firecrawl-interact")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except OSError as error:  # The disk under standard output is full, for instance.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would fail on it at its end
        sys.exit(f"Error: {error}.")
