"""What the command `firecrawl-interact` does. Its output is in `cli_output`."""

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from shutil import get_terminal_size

import click

from firecrawl_interact.core import DeleteSession, DeleteSessionError, SessionNotFoundError

from . import cli_output
from .cli_output import Outcome

_BAD_USAGE = click.UsageError.exit_code
_INTERRUPTED = 128 + signal.SIGINT  # what a shell reports of a command that Ctrl-C ended


@click.group(name="firecrawl-interact")
@click.version_option(package_name="firecrawl-interact", message="%(prog)s %(version)s")
def command() -> None:
    """Destroy Firecrawl Interact sessions, and tell what became of each.

    This command is unofficial: it is not made by Firecrawl.
    """


@command.command()
@click.argument("session_ids", metavar="SESSION_ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for every id.")
@click.option("--missing-ok", is_flag=True, help="Take a session that is not found for success.")
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
    as_json: bool,
    missing_ok: bool,
    api_key: str | None,
    api_url: str | None,
    allow_plain_http: bool,
) -> None:
    """Destroy sessions, and print a receipt for each.

    The exit status is 0 if every session is gone, 1 if not, 2 if the command was called
    wrongly, and 130 after Ctrl-C. Deleting a session again is safe: it is billed once.
    """
    from .environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    try:
        delete_session = context.with_resource(
            delete_session_from_environment(
                api_key=api_key, api_url=api_url, allow_plain_http=allow_plain_http
            )
        )
    except ValueError as error:
        # The library's words name an argument where a user of the command needs the option.
        cli_output.show_error(str(error).replace("allow_plain_http=True", "--allow-plain-http"))
        context.exit(_BAD_USAGE)

    if as_json:
        printing = cli_output.json_lines()
    elif sys.stdout.isatty() and get_terminal_size().columns >= cli_output.TABLE_WIDTH:
        printing = cli_output.table(total=len(session_ids))
    else:
        printing = cli_output.plain_lines()
    printed = 0
    failed = False
    try:
        with cli_output.log_shown(), printing as show:
            for outcome in _outcomes(delete_session, session_ids):
                fine = not isinstance(outcome, DeleteSessionError) or (
                    missing_ok and isinstance(outcome, SessionNotFoundError)
                )
                show(outcome, fine)
                printed += 1
                failed = failed or not fine
    except KeyboardInterrupt:
        cli_output.show_unfinished("Interrupted.", session_ids[printed:])
        context.exit(_INTERRUPTED)
    except OSError as error:  # the output went to a full disk or a closed pipe
        # What is still to be written goes nowhere, or Python would fail over it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        reason = f"The output cannot be written: {error.strerror}."
        cli_output.show_unfinished(reason, session_ids[printed:])
        context.exit(1)
    context.exit(1 if failed else 0)


def _outcomes(delete_session: DeleteSession, session_ids: Iterable[str]) -> Iterator[Outcome]:
    for session_id in session_ids:
        try:
            outcome: Outcome = delete_session(session_id)
        except DeleteSessionError as error:
            outcome = error
        yield outcome


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
def fake_service(port: int, sessions: int, rate_limit: int | None) -> None:
    """Serve a fake of the service on this machine, until Ctrl-C.

    It keeps the service's rules, and nothing reaches Firecrawl or costs anything.
    """
    from .fake_service import FakeService  # noqa: PLC0415 - --help is quick
    from .loopback import LoopbackService  # noqa: PLC0415 - --help is quick

    # Explicitly, because a shell script's background jobs start with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    service = FakeService(["fc-test"], rate_limit=rate_limit)
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
