"""What the command `firecrawl-interact` does. Its output is in `output`."""

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import click

from firecrawl_interact.core import InvalidApiKeyError

from . import output
from .run import Run
from .session_ids import SessionIds, read_journal

_BAD_USAGE = click.UsageError.exit_code
_INTERRUPTED = 128 + signal.SIGINT  # what a shell reports of a command that Ctrl-C ended


@click.group(name="firecrawl-interact")
@click.version_option(package_name="firecrawl-interact", message="%(prog)s %(version)s")
def command() -> None:
    """Destroy Firecrawl Interact sessions, and tell what became of each.

    This command is unofficial: it is not made by Firecrawl.
    """


@command.command()
@click.argument("session_ids", metavar="[SESSION_ID]...", nargs=-1)
@click.option(
    "--from",
    "files",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="Take ids from this file too, one a line. May be repeated.",
)
@click.option(
    "--skip",
    "journals",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="Skip what is gone by this file, the output of earlier runs with --json. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for every id.")
@click.option("--missing-ok", is_flag=True, help="Take a session that is not found for success.")
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    metavar="N",
    help="The most requests at a time.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    help="The API key. Other users of this machine can see it while the command runs: prefer"
    " the variable FIRECRAWL_API_KEY.",
)
@click.option(
    "--api-url",
    metavar="URL",
    help="The service's address. Without it, FIRECRAWL_API_URL, or else the cloud's.",
)
@click.option(
    "--allow-plain-http",
    is_flag=True,
    help="Send the key unencrypted to an http:// address. On this machine that is always allowed.",
)
@click.pass_context
def delete(  # noqa: PLR0913 - the options of a command
    context: click.Context,
    *,
    session_ids: tuple[str, ...],
    files: tuple[BinaryIO, ...],
    journals: tuple[BinaryIO, ...],
    as_json: bool,
    missing_ok: bool,
    concurrency: int,
    api_key: str | None,
    api_url: str | None,
    allow_plain_http: bool,
) -> None:
    """Destroy sessions, and print a receipt for each as it ends.

    "-" stands for standard input, with one id a line. There and in files, "#" begins a comment.

    Ctrl-C sends nothing new and lets what is in flight end; a second one quits at once.
    Deleting a session again is safe: it is billed once.

    The exit status is 0 if every session is gone, 1 if not, 2 if the command was called
    wrongly, 130 after Ctrl-C and 143 after SIGTERM.

    \b
    Examples:
      firecrawl-interact delete 0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57
      firecrawl-interact delete --missing-ok - <ids.txt
      firecrawl-interact delete --from ids.txt --json --skip done >>done
    The last one does what is left each time it is run, and keeps the record.
    """  # noqa: D301 - to click, this character means: do not wrap
    if not (session_ids or files):
        raise click.UsageError('Give session ids, "-", or --from a file.')
    from ..environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    try:
        delete_session = context.with_resource(
            delete_session_from_environment(
                api_key=api_key,
                api_url=api_url,
                allow_plain_http=allow_plain_http,
                pool_size=max(32, concurrency),
            )
        )
    except ValueError as error:
        output.show_error(_for_a_command(error))
        context.exit(_BAD_USAGE)
    run = Run(
        delete_session,
        _sessions_to_delete(context, session_ids, files, journals, as_json=as_json),
        concurrency=concurrency,
        missing_ok=missing_ok,
        output=output.Output(as_json=as_json),
    )
    status = run()
    if not run.had_ids:
        raise click.UsageError("There are no session ids in the input.")
    context.exit(status)


def _sessions_to_delete(
    context: click.Context,
    session_ids: Iterable[str],
    files: Iterable[BinaryIO],
    journals: Iterable[BinaryIO],
    *,
    as_json: bool,
) -> SessionIds:
    """Return the ids of the arguments and files, without those that are gone already."""
    sources: list[str | BinaryIO] = [
        sys.stdin.buffer if session_id == "-" else session_id for session_id in session_ids
    ]
    sources += files
    try:
        if any(not isinstance(source, str) and source.isatty() for source in sources):
            output.show_note("Give one session id a line. Ctrl-D ends the list.")
        return SessionIds(sources, _gone(journals, as_json=as_json))
    except KeyboardInterrupt:
        output.show_note("\nInterrupted. Nothing was sent.")
        context.exit(_INTERRUPTED)


def _for_a_command(error: ValueError) -> str:
    """Say what is wrong with the settings. The library's words are for a Python programmer."""
    if isinstance(error, InvalidApiKeyError) and error.advice == InvalidApiKeyError.advice:
        error.advice = (
            "Give it as the service shows it. For a service without sign-in, leave out"
            " --api-key and FIRECRAWL_API_KEY."
        )
    return str(error).replace("allow_plain_http=True", "--allow-plain-http")


def _gone(journals: Iterable[BinaryIO], *, as_json: bool) -> set[str]:
    """Return the ids that are gone according to the output of earlier runs."""
    gone: set[str] = set()
    for file in journals:
        journal = read_journal(file)
        gone |= journal.gone
        if journal.foreign_lines:
            output.show_note(
                f"Warning: {file.name} has lines that are no outcomes of this command"
                f" ({journal.foreign_lines}). They are ignored."
            )
        if as_json and journal.is_cut and _is_standard_output(file):
            click.echo()  # A line that was cut short must not swallow the first of ours.
    return gone


def _is_standard_output(file: BinaryIO) -> bool:
    return os.path.sameopenfile(file.fileno(), sys.stdout.fileno())


@command.command("fake-service")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Where it listens.  [default: a free port]",
)
@click.option(
    "--sessions",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    metavar="N",
    help="How many are open at the start.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(1),
    metavar="N",
    help="How many requests a minute it takes.  [default: any number]",
)
@click.option(
    "--latency",
    type=click.FloatRange(0, 60),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="How long its responses take.",
)
def fake_service(port: int, sessions: int, rate_limit: int | None, latency: float) -> None:
    """Serve a fake of the service on this machine, until Ctrl-C.

    It keeps the service's rules, and nothing reaches Firecrawl or costs anything.

    \b
    Many sessions, deleted with a rate limit:
      firecrawl-interact fake-service --sessions 30 --rate-limit 10 >fake &
      eval "$(grep export fake)"
      grep -v " " fake | firecrawl-interact delete -
    """  # noqa: D301 - to click, this character means: do not wrap
    from ..fake_service import FakeService  # noqa: PLC0415 - --help is quick
    from ..loopback import LoopbackService  # noqa: PLC0415 - --help is quick

    # Explicitly, because a shell script's background jobs start with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    service = FakeService(["fc-test"], rate_limit=rate_limit, latency=latency)
    session_ids = [service.open_session() for _ in range(sessions)]
    try:
        with LoopbackService(service, port) as loopback:
            _show_fake_service(loopback.api_url, "fc-test", session_ids)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise click.ClickException(f"cannot serve on port {port}: {error.strerror}") from None


def _show_fake_service(api_url: str, api_key: str, session_ids: Sequence[str]) -> None:
    # For people to copy, and for scripts to `grep`.
    lines = [
        f"The fake service listens at {api_url}: nothing reaches Firecrawl.",
        "In another terminal:",
        "",
        f"export FIRECRAWL_API_URL={api_url}",
        f"export FIRECRAWL_API_KEY={api_key}",
        *(f"firecrawl-interact delete {session_id}" for session_id in session_ids[:1]),
        "",
        "Open sessions:",
        "",
        *session_ids,
        "",
        "Ctrl-C ends it.",
    ]
    click.echo("\n".join(lines))
