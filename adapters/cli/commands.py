"""What can be typed: `firecrawl-interact delete`, `sweep`, `check` and `fake-service`."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import click

from firecrawl_interact import core

from ..api_url import parse_api_url
from ..journals.base import LeftAlone
from .record import in_order
from .run import make_run, record_of
from .screen import show_note
from .session_ids import is_uuid, read_session_ids

_number = partial(click.Option, type=click.IntRange(1), metavar="N")
_seconds = partial(click.Option, type=click.FloatRange(0, 86_400, min_open=True), metavar="SECONDS")
_file = partial(click.Option, type=click.Path(readable=False), metavar="FILE")  # checks nothing
_SERVICE_OPTIONS = [
    click.Option(["--api-key"], metavar="KEY", help="The key. Safer: set FIRECRAWL_API_KEY."),
    click.Option(["--api-url"], metavar="URL", help="In place of FIRECRAWL_API_URL."),
    click.Option(["--allow-plain-http"], is_flag=True, help="Send the key unencrypted, too."),
]
_OPTIONS = [
    click.Option(["--json", "as_json"], is_flag=True, help="Print a JSON object for each session."),
    click.Option(["--quiet"], is_flag=True, help="Print nothing but failures."),
    click.Option(["--verbose"], is_flag=True, help="Print the log, too: each request and retry."),
    click.Option(["--missing-ok"], is_flag=True, help="Treat a session not found as success."),
    _file(["--resume"], help="Record outcomes here; skip what it has done."),
    _number(["--concurrency"], default=8, help="The most requests at a time."),
    _seconds(["--deadline"], default=240, help="Limits a session or outage."),
    *_SERVICE_OPTIONS,
]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="firecrawl-interact", message="%(prog)s %(version)s")
def command() -> None:
    """Destroy Firecrawl Interact sessions, and say what became of each.

    It needs the key of your team in FIRECRAWL_API_KEY, and `check` says whether that is good.
    `fake-service` lets you try all of it without a key.

    This command is unofficial: it is not made by Firecrawl.
    """


@contextmanager
def _refuse_bad_input() -> Iterator[None]:
    """End the command at Ctrl-C, and if what a block reads cannot be used."""
    try:
        yield
    except core.JournalError as error:  # Its database may be away, and that is not bad input.
        sentences, _, sql = str(error).partition("\n")
        show_note(f"Error: {sentences} Nothing was sent.")
        click.echo(sql, err=True, nl=False)  # as it is, to be pasted
        sys.exit(1)
    except (ImportError, ValueError, OSError) as error:
        show_note(f"Error: {str(error).rstrip('.')}. Nothing was sent.")
        sys.exit(click.UsageError.exit_code)
    except KeyboardInterrupt:
        show_note("Interrupted. Nothing was sent.")
        sys.exit(128 + signal.SIGINT)


@command.command(
    params=[
        click.Argument(["session_ids"], metavar="[SESSION_ID]...", nargs=-1),
        _file(["--from"], multiple=True, help="Read ids from here."),
        click.Option(["--dry-run"], is_flag=True, help="Check and count the ids; send nothing."),
        *_OPTIONS,
    ]
)
@click.pass_context
def delete(context: click.Context, /, session_ids: Sequence[str], **options: Any) -> None:
    """Destroy sessions. "-" stands for standard input; there and in files, each id is a line.

    All ids are checked first: if one is bad, nothing is sent.

    Each session is a line of standard output, also if it was not tried: id; gone, not-found,
    untouched, unknown or not-tried; "deleted", "not-tried" or an error; credits; seconds that it
    lived; remarks. The summary goes to standard error.

    Ctrl-C lets what is in flight end, and a second one ends at once. Deleting a session again
    is safe: it is billed once.

    Exit status: 0, every session is gone, or the input was empty; 1, a session may be left, or was
    not found (see --missing-ok); 2, bad input: nothing was sent; 130, Ctrl-C; 143, SIGTERM.
    """
    if not (session_ids or options["from"]):
        raise click.UsageError('Give session ids, "-", or --from a file.')
    with _refuse_bad_input():
        ids, duplicates = read_session_ids(session_ids, options["from"])
        left = list(ids.values())
        record, recorded = record_of(context)
        if record is not None:
            left = in_order(ids, recorded, missing_is_done=options["missing_ok"])
        done_before = len(ids) - len(left)
        if options["dry_run"]:
            show_note(
                f"Sessions to delete: {len(left)}; duplicates: {duplicates}; done before:"
                f" {done_before}; not a UUID: {sum(not is_uuid(one) for one in left)}."
                " Nothing was sent."
            )
            return
        run = make_run(context, left, record, done_before=done_before)
    sys.exit(run())


@command.command(
    params=[
        click.Argument(
            ["location"],
            metavar="[JOURNAL]",
            required=False,
            shell_complete=click.Path(file_okay=False).shell_complete,  # no type: it may be a URL
        ),
        click.Option(["--dry-run"], is_flag=True, help="List the ids, and change nothing."),
        click.Option(["--service"], metavar="LABEL", help="Whose sessions. Default: the address."),
        *_OPTIONS,
    ]
)
@click.pass_context
def sweep(context: click.Context, /, location: str | None, **options: Any) -> None:
    """Destroy the sessions that dead processes left in JOURNAL.

    JOURNAL is the directory of a FileJournal, or the postgresql:// URL of a PostgresJournal. By
    default, it is what FIRECRAWL_INTERACT_JOURNAL names: then no password is among the arguments.
    In a database, a sweep watches half a minute whether an owner lives.

    What living processes have open is left alone, and so is what was opened at another address.
    The sweep says how much that other is, and its exit status is 1. It is 1, too, if the journal
    is away. Output, options and exit status are otherwise those of `delete`, and --missing-ok is
    implied. --resume records what was done, and skips nothing: the journal says what is left.
    """
    from .. import environment  # noqa: PLC0415 - --help is quick

    with _refuse_bad_input():
        location = environment.journal_location(location)
        if location is None:
            raise ValueError("name a JOURNAL, or set FIRECRAWL_INTERACT_JOURNAL")
        is_directory = "://" not in location
        if is_directory and not os.path.isdir(location):
            raise ValueError(f"there is no directory {location}, so no journal was swept")
        address = environment.service_address(options["api_url"], options["allow_plain_http"])
        label = str(address) if options["service"] is None else options["service"]
        journal = environment.open_journal(location, label)
        context.with_resource(journal)
        orphans, left_alone = journal.orphans(), journal.left_alone()
        status = _show_left_alone(left_alone, location)
        if orphans and not (is_directory or options["quiet"]):
            show_note("A sweep watches for up to half a minute whether their owners live.")
        if not options["dry_run"]:
            context.params["missing_ok"] = True
            record, _ = record_of(context)
            run = make_run(context, journal.adopt_orphans(), record, journal=journal)
    if options["dry_run"]:
        click.echo("".join(f"{session_id}\n" for session_id in orphans), nl=False)
        if left_alone.living:
            lived = "whose owner lives" if is_directory else "renewed within the last minute"
            show_note(f"Sessions left alone: {left_alone.living} {lived}.")
        sys.exit(status)
    sys.exit(run() or status)


def _show_left_alone(left_alone: LeftAlone, location: str) -> int:
    """Say what this sweep leaves alone, and the option that takes it. Return the status."""
    # A sweep at the wrong address would find no session, and forget them.
    option_by_scheme = {"https": "--api-url", "http": "--allow-plain-http --api-url"}
    for label, count in left_alone.other_services.items():
        option = "--service"
        with suppress(ValueError):  # It is an address, or another label.
            option = option_by_scheme[parse_api_url(label or "", allow_plain_http=True).scheme]
        advice = f"Sweep them with {option} {shlex.quote(label or '')}, and no other --service."
        show_note(f"Sessions left alone: {count} of {label or 'no service'}. {advice}")
    if unreadable := left_alone.unreadable:
        show_note(
            f"Entries left alone: {len(unreadable)} that cannot be read or are no part of a"
            f" journal: {unreadable[0]}, for instance. No option takes them."
            f" Is {location} the journal, and yours?"
        )
    return 1 if left_alone.other_services or unreadable else 0


@command.command(params=[*_SERVICE_OPTIONS])
@click.pass_context
def check(context: click.Context, /, **options: Any) -> None:  # Any: as click passes them
    """Find out whether address, route and key are good.

    It asks the service to delete a session that does not exist, once: that counts for the rate
    limit. It prints one line, which begins with what it found: good (exit status 0); address,
    route, key or right, whatever is not good; or unknown, if the service could not say (1).
    """
    from .. import InMemoryJournal, environment  # noqa: PLC0415 - --help is quick

    with _refuse_bad_input():
        # It opens no journal that the environment names.
        made = environment.delete_session_from_environment(**options, journal=InMemoryJournal())
        delete_session = context.with_resource(made)
        address = environment.service_address(options["api_url"], options["allow_plain_http"])
    try:
        delete_session.check()
    except core.DeleteSessionError as error:
        click.echo(_verdict(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    key = "the key may delete" if "Authorization" in delete_session.headers else "it needs no key"
    click.echo(f"good: {address} knows the route, and {key}.")


def _verdict(error: core.DeleteSessionError) -> str:
    """Say in one line what is not good, beginning with the word for it, and what to do."""
    what, advice = "address", "Check FIRECRAWL_API_URL or --api-url, and any proxy on the way."
    match error:
        case core.RateLimitError() | core.ServiceUnavailableError() | core.NotDeletedError():
            what = "unknown"
            advice = "This says nothing about the key or its right: check again later."
        case core.UnauthorizedError(transient=False):  # Otherwise, a gateway said it.
            what, advice = "key", error.advice
        case core.PaymentRequiredError() | core.ForbiddenError(transient=False):
            what, advice = "right", "Use a key that may delete sessions."
        case core.BadRequestError() | core.UnexpectedResponseError(status=404 | 405):
            what = "route"
            advice = "A server older than June 2026 does not know /v2/interact: check the address."
        case core.UnreachableError(__cause__=core.ConnectionLostError() | core.TimedOutError()):
            what, advice = "unknown", "Check again later, and the address if that says the same."
        case core.UnreachableError(transient=False):
            advice = error.advice  # It knows what is wrong: an untrusted certificate, for instance.
    return f"{what}: {error.args[0]}. {advice}"


@command.command(
    "fake-service",
    params=[
        _number(["--sessions"], default=3, help="How many are open at the start."),
        _number(["--rate-limit"], help="How many requests a minute it takes."),
        _seconds(["--outage"], help="At first it is away for so long."),
    ],
)
def fake_service(sessions: int, rate_limit: int | None, outage: float | None) -> None:
    """Serve a fake of the service on this machine, until Ctrl-C.

    It keeps the service's rules, and nothing reaches Firecrawl or costs anything. It prints what to
    type in another terminal.
    """
    from ..fakes.loopback import LoopbackService  # noqa: PLC0415 - --help is quick
    from ..fakes.service import FakeService  # noqa: PLC0415 - --help is quick

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    service = FakeService(["fc-test"], rate_limit=rate_limit)
    session_ids = [service.open_session() for _ in range(sessions)]
    try:
        with LoopbackService(service) as loopback:
            service.outage(outage or 0)
            click.echo(
                "A fake service listens on this machine. In another terminal:\n\n"
                f"export FIRECRAWL_API_URL={loopback.api_url}\n"
                f"export FIRECRAWL_API_KEY=fc-test\n\nOpen sessions ({sessions}):\n"
            )
            click.echo("\n".join([*session_ids, "", "Ctrl-C ends it."]))
            threading.Event().wait()
    except KeyboardInterrupt:
        left = len(service.sessions_left_open)
        click.echo(f"The fake service has ended. {left} of {sessions} sessions were still open.")
