"""What can be typed: `firecrawl-interact delete`, `sweep`, `check` and `fake-service`."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import click

from firecrawl_interact.core import DeleteSessionError, JournalError

from ..journals.base import LeftAlone
from . import settings
from .lines import verdict
from .screen import show_note
from .session_ids import BadInputError, read_session_ids


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="firecrawl-interact", message="%(prog)s %(version)s")
def command() -> None:
    """Destroy Firecrawl Interact sessions, and say what became of each.

    This command is unofficial: it is not made by Firecrawl. `fake-service` lets you try it.
    """


@command.command()
@click.argument("session_ids", metavar="[SESSION_ID]...", nargs=-1)
@click.option("--from", "files", type=click.File("rb"), multiple=True, help="Read ids from here.")
@click.option("--dry-run", is_flag=True, help="Check and count the ids, and send nothing.")
@settings.with_options(settings.OPTIONS)
@click.pass_context
def delete(
    context: click.Context, /, session_ids: Sequence[str], files: Sequence[BinaryIO], **_: object
) -> None:
    """Destroy sessions. "-" stands for standard input; there and in files, each id is a line.

    All ids are checked first: if one is bad, nothing is sent.

    Each session is a line of standard output, also if it was not tried: id; gone, not-found,
    untouched, unknown or not-tried; "deleted", "not-tried" or an error; credits; seconds that it
    lived; remarks. The summary goes to standard error.

    Ctrl-C lets what is in flight end, and a second one ends at once. Deleting a session again
    is safe: it is billed once.

    \b
    Exit status:
      0    every session is gone, or the input was empty
      1    a session may be left, or was not found (see --missing-ok)
      2    bad input: nothing was sent
      130  Ctrl-C
      143  SIGTERM

    \b
    The keys of --json, null where there is none:
      session_id, outcome, session_fate, attempts, http_status, message, code,
      request_id, retry_after, transient, session_duration_ms, credits_billed,
      session_status, ended_at

    \b
    Examples. The second one, typed again, does what is left:
      firecrawl-interact delete 0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57
      firecrawl-interact delete --from ids.txt --resume done.jsonl
    """  # noqa: D301 - to click, this character means: do not wrap
    if not (session_ids or files):
        raise click.UsageError('Give session ids, "-", or --from a file.')
    sources = [*(sys.stdin.buffer if text == "-" else text for text in session_ids), *files]
    with settings.nothing_sent_yet():
        if any(not isinstance(source, str) and source.isatty() for source in sources):
            show_note("Give one session id a line. Ctrl-D ends the list.")
        if context.params["dry_run"]:
            settings.show_dry_run(context, *read_session_ids(sources))
            return
        delete_session = settings.make_delete_session(context)
        ids, duplicates = read_session_ids(sources)
        if duplicates and not context.params["quiet"]:
            show_note(f"{duplicates} duplicate id{'s' if duplicates > 1 else ''} ignored.")
        run = settings.make_run(context, delete_session, ids.values())
    sys.exit(run())


@command.command()
@click.argument("location", metavar="[JOURNAL]", required=False)
@click.option("--dry-run", is_flag=True, help="List the ids, and change nothing.")
@click.option("--service", metavar="LABEL", help="Whose sessions. Default: those of the address.")
@settings.with_options(settings.OPTIONS)
@click.pass_context
def sweep(
    context: click.Context, /, location: str | None, *, dry_run: bool, service: str | None, **_: Any
) -> None:
    """Destroy the sessions that dead processes left in JOURNAL.

    JOURNAL is the directory of a FileJournal, or the postgresql:// URL of a PostgresJournal. By
    default, it is what FIRECRAWL_INTERACT_JOURNAL names: then no password is among the arguments.
    In a database, a sweep watches half a minute whether an owner lives.

    What living processes have open is left alone, and so is what was opened at another address.
    The sweep says how much that other is, and its exit status is 1. It is 1, too, if the journal
    is away. Output, options and exit status are otherwise those of `delete`, and --missing-ok is
    implied. --resume records what was done, and skips nothing: the journal says what is left.
    """
    from ..environment import (  # noqa: PLC0415 - --help is quick
        journal_location,
        open_journal,
        service_address,
    )

    with settings.nothing_sent_yet(), _journal_errors():
        location = location or journal_location()
        if location is None:
            raise BadInputError("name a JOURNAL, or set FIRECRAWL_INTERACT_JOURNAL")
        is_directory = "://" not in location
        if is_directory and not os.path.isdir(location):
            raise BadInputError(f"there is no directory {location}, so no journal was swept")
        options = context.params["api_url"], context.params["allow_plain_http"]
        label = str(service_address(*options)) if service is None else service
        journal = open_journal(location, label)
        context.with_resource(journal)
        delete_session = settings.make_delete_session(context, journal)
        orphans, left = journal.orphans(), journal.left_alone()
        status = _show_left_alone(left, location)
        if dry_run:
            _show_dry_run(orphans, left.living, is_directory=is_directory)
            sys.exit(status)
        if orphans and not (is_directory or context.params["quiet"]):
            show_note("This watches for up to half a minute whether the sessions' owners live.")
        context.params["missing_ok"] = True
        run = settings.make_run(context, delete_session, journal.adopt_orphans(), skip_done=False)
    sys.exit(run() or status)


@contextmanager
def _journal_errors() -> Iterator[None]:
    """End the command if the journal cannot do what is asked: its database may be away."""
    try:
        yield
    except JournalError as error:
        sentences, _, sql = str(error).partition("\n")
        show_note(f"Error: {sentences} Nothing was sent.")
        click.echo(sql, err=True, nl=False)  # as it is, to be pasted
        sys.exit(1)


def _show_dry_run(orphans: Sequence[str], living: int, *, is_directory: bool) -> None:
    """List what a sweep would take, and count what its own label has besides."""
    sys.stdout.writelines(f"{session_id}\n" for session_id in orphans)
    if orphans and not is_directory:
        show_note("A sweep first watches for half a minute whether their owners live.")
    if living:
        why = (
            "that living processes have open" if is_directory else "renewed within the last minute"
        )
        show_note(f"Sessions left alone: {living} {why}.")


def _show_left_alone(left: LeftAlone, location: str) -> int:
    """Say what a sweep may not touch and with which option another one would. Return the status."""
    for label, count in left.other_services.items():
        show_note(
            f"Sessions left alone: {count} of {label or 'no service'}. Add {_option_for(label)}"
            f" {shlex.quote(label or '')} to sweep them."
        )
    if left.unreadable:
        show_note(
            f"Entries left alone: {len(left.unreadable)} that cannot be read or are no part of a"
            f" journal: {left.unreadable[0]}, for instance. No option takes them."
            f" Is {location} the journal, and yours?"
        )
    return 1 if left.other_services or left.unreadable else 0


def _option_for(label: str | None) -> str:
    """Return the option that makes a sweep take a label: an address must be the one asked, too."""
    from ..api_url import parse_api_url  # noqa: PLC0415 - --help is quick

    with suppress(ValueError):
        is_plain = parse_api_url(label or "", allow_plain_http=True).scheme == "http"
        return "--allow-plain-http --api-url" if is_plain else "--api-url"
    return "--service"


@command.command(short_help="Find out whether address, route and key are good.")
@settings.with_options(settings.SERVICE_OPTIONS)
@click.pass_context
def check(context: click.Context, /, **options: Any) -> None:  # Any: as click passes them
    """Find out whether address, route, key and its right to delete are good.

    It asks the service to delete a session that does not exist, once: that counts for the rate
    limit. It prints one line, which begins with what it found: good (exit status 0); address,
    route, key or right, whatever is not good; or unknown, if the service could not say (1).
    """
    from .. import environment  # noqa: PLC0415 - --help is quick

    with settings.nothing_sent_yet():
        made = environment.delete_session_from_environment(**options)
        delete_session = context.with_resource(made)
        address = environment.service_address(options["api_url"], options["allow_plain_http"])
    try:
        delete_session.check()
    except DeleteSessionError as error:
        click.echo(verdict(error))
        sys.exit(1)
    key = "the key may delete" if "Authorization" in delete_session.headers else "it needs no key"
    click.echo(f"good: {address} knows the route, and {key}.")


@command.command("fake-service")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, metavar="N", help="0: any.")
@settings.number("--sessions", default=3, help="How many are open at the start.")
@settings.number("--rate-limit", help="How many requests a minute it takes.")
@settings.seconds(
    "--latency", type=click.FloatRange(0, 86_400), default=0, help="Until a response."
)
@settings.seconds("--outage", type=settings.MORE_THAN_0, help="At first it is away for so long.")
def fake_service(
    port: int, sessions: int, rate_limit: int | None, latency: float, outage: float | None
) -> None:
    """Serve a fake of the service on this machine, until Ctrl-C.

    It keeps the service's rules, and nothing reaches Firecrawl or costs anything.

    \b
    Many sessions, deleted with a rate limit:
      firecrawl-interact fake-service --sessions 30 --rate-limit 10 >fake &
      until grep -qs Ctrl-C fake; do sleep 1; done
      eval "$(grep export fake)"
      grep -v " " fake | firecrawl-interact delete -
      kill $!
    """  # noqa: D301 - to click, this character means: do not wrap
    from ..fakes.loopback import LoopbackService  # noqa: PLC0415 - --help is quick
    from ..fakes.service import FakeService  # noqa: PLC0415 - --help is quick

    # Explicitly, because a shell script's background jobs start with SIGINT ignored.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    service = FakeService(["fc-test"], rate_limit=rate_limit, latency=latency)
    session_ids = [service.open_session() for _ in range(sessions)]
    try:
        with LoopbackService(service, port) as loopback:
            service.outage(outage or 0)
            click.echo(
                "A fake service listens on this machine. In another terminal:\n\n"
                f"export FIRECRAWL_API_URL={loopback.api_url}\n"
                f"export FIRECRAWL_API_KEY=fc-test\n\nOpen sessions ({sessions}):\n"
            )
            click.echo("\n".join([*session_ids, ""]))
            click.echo(
                f"It is away for the first {outage:g} seconds.\n" if outage else "", nl=False
            )
            click.echo("Ctrl-C ends it.")
            threading.Event().wait()
    except KeyboardInterrupt:
        left = len(service.sessions_left_open)
        click.echo(f"The fake service has ended. {left} of {sessions} sessions were still open.")
    except OSError as error:
        raise click.ClickException(f"cannot serve on port {port}: {error.strerror}") from None
