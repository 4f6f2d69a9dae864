"""What can be typed: `firecrawl-interact delete`, `sweep`, `check` and `fake-service`."""

import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from firecrawl_interact.core import DeleteManySessions, DeleteSessionError, RetryPolicy

from .preflight import verdict
from .report import Report, show_note
from .run import Run
from .session_ids import BadInputError, read_session_ids, remove_done

if TYPE_CHECKING:
    from firecrawl_interact.core import LeftAlone

    from ..environment import EnvironmentDeleteSession

_number = partial(click.option, type=click.IntRange(1), metavar="N")
_seconds = partial(click.option, type=click.FloatRange(0, 86_400), metavar="SECONDS")
_SERVICE_OPTIONS = [
    click.option("--api-key", metavar="KEY", help="Safer: the variable FIRECRAWL_API_KEY."),
    click.option("--api-url", metavar="URL", help="Instead of FIRECRAWL_API_URL, or the cloud."),
    click.option("--allow-plain-http", is_flag=True, help="Send the key unencrypted."),
]
_OPTIONS = [
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each session."),
    click.option("--quiet", is_flag=True, help="Print nothing but failures."),
    click.option("--missing-ok", is_flag=True, help="Treat a session not found as success."),
    click.option("--resume", metavar="FILE", help="Record outcomes here; skip what it has done."),
    _number("--concurrency", default=8, help="The most requests at a time."),
    _seconds("--deadline", default=240, help="The longest time for a session, or an outage."),
    *_SERVICE_OPTIONS,
]


def _with_options(
    options: Sequence[Callable[[Callable[..., None]], Callable[..., None]]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return lambda function: reduce(lambda made, option: option(made), reversed(options), function)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="firecrawl-interact", message="%(prog)s %(version)s")
def command() -> None:
    """Destroy Firecrawl Interact sessions, and say what became of each.

    This command is unofficial: it is not made by Firecrawl. `fake-service` lets you try it.
    """
    logging.getLogger("firecrawl_interact").addHandler(logging.StreamHandler())


@command.command()
@click.argument("session_ids", metavar="[SESSION_ID]...", nargs=-1)
@click.option("--from", "files", type=click.File("rb"), multiple=True, help="Read ids from here.")
@_with_options(_OPTIONS)
@click.pass_context
def delete(
    context: click.Context, /, session_ids: Sequence[str], files: Sequence[BinaryIO], **_: object
) -> None:
    """Destroy sessions. "-" stands for standard input; there and in files, each id is a line.

    All ids are checked first: if one is bad, nothing is sent.

    Each session is a line of standard output: id, fate (gone, untouched or unknown), "deleted"
    or an error, credits, seconds that it lived, remarks. The summary goes to standard error.

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
      session_status

    \b
    Examples. The second one, typed again, does what is left:
      firecrawl-interact delete 0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57
      firecrawl-interact delete --from ids.txt --resume done.jsonl
    """  # noqa: D301 - to click, this character means: do not wrap
    if not (session_ids or files):
        raise click.UsageError('Give session ids, "-", or --from a file.')
    sources = [*(sys.stdin.buffer if text == "-" else text for text in session_ids), *files]
    with _nothing_sent_yet():
        delete_session = _make_delete_session(context)
        if any(not isinstance(source, str) and source.isatty() for source in sources):
            show_note("Give one session id a line. Ctrl-D ends the list.")
        ids, duplicates = read_session_ids(sources)
        if duplicates and not context.params["quiet"]:
            show_note(f"Ids that came again: {duplicates}. Each session is deleted once.")
        run = _make_run(context, delete_session, ids)
    sys.exit(run())


@command.command()
@click.argument("place", metavar="JOURNAL")
@click.option("--dry-run", is_flag=True, help="List the ids, and change nothing.")
@click.option("--service", metavar="LABEL", help="Whose sessions. Default: those of the address.")
@_with_options(_OPTIONS)
@click.pass_context
def sweep(
    context: click.Context, /, place: str, *, dry_run: bool, service: str | None, **_: object
) -> None:
    """Destroy the sessions that dead processes left in JOURNAL.

    JOURNAL is the directory of a FileJournal, or the postgresql:// URL of a PostgresJournal. Its
    password may come from PGPASSWORD or from a passfile. In a database, a sweep watches half a
    minute whether an owner lives.

    What living processes have open is left alone, and so is what was opened at another address.
    Then this says how much that is, and the exit status is 1. Output, options and exit status
    are otherwise those of `delete`, and --missing-ok is implied.
    """
    from ..environment import open_journal  # noqa: PLC0415 - --help is quick

    with _nothing_sent_yet():
        if "://" not in place and not os.path.isdir(place):
            raise BadInputError(f"there is no directory {place}, so no journal was swept")
        delete_session = _make_delete_session(context)
        label = delete_session.transport.api_url if service is None else service
        journal = open_journal(place, label)
        context.with_resource(journal)
        delete_session.journal = journal
        if dry_run:
            sys.stdout.writelines(f"{session_id}\n" for session_id in journal.orphans())
            left = journal.left_alone()
            if left.living:
                show_note(f"Living processes have {left.living} sessions open: left alone.")
            sys.exit(_show_left_alone(left, place))
        context.params["missing_ok"] = True
        run = _make_run(context, delete_session, dict.fromkeys(journal.adopt_orphans()))
    status = run()
    with _nothing_sent_yet():
        sys.exit(status or _show_left_alone(journal.left_alone(), place))


def _show_left_alone(left: "LeftAlone", place: str) -> int:
    """Say what a sweep may not touch and with which option another one would. Return the status."""
    for label, count in left.other_services.items():
        option = "--api-url" if label and label.startswith("http") else "--service"
        show_note(
            f"{count} sessions of {label or 'no service'} were left alone:"
            f" add {option} {shlex.quote(label or '')} to sweep them."
        )
    if left.unreadable:
        first = f"{len(left.unreadable)} of the entries of {place} are no records"
        show_note(f"{first}, or cannot be read: {left.unreadable[0]}, for instance.")
    return 1 if left.other_services or left.unreadable else 0


@command.command()
@_with_options(_SERVICE_OPTIONS)
@click.pass_context
def check(context: click.Context, /, **options: Any) -> None:  # Any: as click passes them
    """Find out whether address, route, key and its right to delete are good.

    It asks the service to delete a session that does not exist, once: that counts for the rate
    limit. It prints one line, which begins with what it found.

    \b
    Exit status, and how the line begins:
      0  good
      1  address, route, key or right: that is not good
      1  unknown: the service could not say
      2  bad input: nothing was sent
    """  # noqa: D301 - to click, this character means: do not wrap
    from ..environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    with _nothing_sent_yet():
        delete_session = context.with_resource(delete_session_from_environment(**options))
    try:
        delete_session.check()
    except DeleteSessionError as error:
        click.echo(verdict(error))
        sys.exit(1)
    key = "the key may delete" if "Authorization" in delete_session.headers else "it needs no key"
    click.echo(f"good: {delete_session.transport.api_url} knows the route, and {key}.")


def _make_delete_session(context: click.Context) -> "EnvironmentDeleteSession":
    from ..environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    params = context.params
    with suppress(ImportError):
        import resource  # noqa: PLC0415 - Windows has no such limit

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = max(1, limit - 64)  # Some files are no connections.
        if limit != resource.RLIM_INFINITY and most < params["concurrency"]:
            params["concurrency"] = most
            show_note(f"This process may open {limit} files: it sends {most} requests at a time.")
    return context.with_resource(
        delete_session_from_environment(
            api_key=params["api_key"],
            api_url=params["api_url"],
            retry=RetryPolicy(deadline=params["deadline"]),
            allow_plain_http=params["allow_plain_http"],
            pool_size=params["concurrency"],
        )
    )


def _make_run(
    context: click.Context, delete_session: "EnvironmentDeleteSession", ids: dict[str, None]
) -> Run:
    params = context.params
    total, path, record = len(ids), params["resume"], None
    if path is not None:
        done = ["deleted", "SessionNotFoundError"] if params["missing_ok"] else ["deleted"]
        is_cut = remove_done(ids, path, done)
        record = context.with_resource(open(path, "a", encoding="ascii"))  # noqa: SIM115 - it does
        record.write("\n" * is_cut)
    flags = (params[name] for name in ("missing_ok", "as_json", "quiet"))
    report = Report(total, total - len(ids), *flags)
    delete_many_sessions = DeleteManySessions(delete_session, concurrency=params["concurrency"])
    return Run(delete_many_sessions(ids), report, record)


@contextmanager
def _nothing_sent_yet() -> Iterator[None]:
    """End the command if what a block reads cannot be used, or at Ctrl-C."""
    try:
        yield
    except (BadInputError, ImportError, ValueError, OSError) as error:
        show_note(f"Error: {str(error).rstrip('.')}. Nothing was sent.")
        sys.exit(click.UsageError.exit_code)
    except KeyboardInterrupt:
        show_note("Interrupted. Nothing was sent.")
        sys.exit(128 + signal.SIGINT)


@command.command("fake-service")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, metavar="N", help="0: any.")
@_number("--sessions", default=3, help="How many are open at the start.")
@_number("--rate-limit", help="How many requests a minute it takes.")
@_seconds("--latency", default=0, help="How long its responses take.")
def fake_service(port: int, sessions: int, rate_limit: int | None, latency: float) -> None:
    """Serve a fake of the service on this machine, until Ctrl-C.

    It keeps the service's rules, and nothing reaches Firecrawl or costs anything.

    \b
    Many sessions, deleted with a rate limit:
      firecrawl-interact fake-service --sessions 30 --rate-limit 10 >fake &
      until grep -q Ctrl-C fake; do sleep 1; done
      eval "$(grep export fake)"
      grep -v " " fake | firecrawl-interact delete -
      kill $!
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
            click.echo("A fake service listens on this machine. In another terminal:\n")
            click.echo(f"export FIRECRAWL_API_URL={loopback.api_url}")
            click.echo(f"export FIRECRAWL_API_KEY=fc-test\n\nOpen sessions ({sessions}):\n")
            click.echo("\n".join([*session_ids, "", "Ctrl-C ends it."]))
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        left = len(service.sessions_left_open)
        click.echo(f"The fake service has ended. {left} of {sessions} sessions were still open.")
    except OSError as error:
        raise click.ClickException(f"cannot serve on port {port}: {error.strerror}") from None
