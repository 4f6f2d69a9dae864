"""What `delete` and `sweep` are told by their options, and the run that they make of it."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import click

from firecrawl_interact.core import DeleteManySessions, RetryPolicy

from .record import in_order, open_record, read_record
from .report import Report
from .run import Run
from .screen import show_note
from .session_ids import BadInputError, same_for_all_spellings, uuid_in

if TYPE_CHECKING:
    from firecrawl_interact.core import DeleteSession, Recorder

Option: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]
number: Callable[..., Option] = partial(click.option, type=click.IntRange(1), metavar="N")
seconds: Callable[..., Option] = partial(click.option, metavar="SECONDS")
MORE_THAN_0 = click.FloatRange(0, 86_400, min_open=True)
SERVICE_OPTIONS: list[Option] = [
    click.option("--api-key", metavar="KEY", help="Safer: the variable FIRECRAWL_API_KEY."),
    click.option("--api-url", metavar="URL", help="Instead of FIRECRAWL_API_URL, or the cloud."),
    click.option("--allow-plain-http", is_flag=True, help="Send the key unencrypted."),
]
OPTIONS: list[Option] = [
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each session."),
    click.option("--quiet", is_flag=True, help="Print nothing but failures."),
    click.option("--verbose", is_flag=True, help="Print the log, too: each request and retry."),
    click.option("--missing-ok", is_flag=True, help="Treat a session not found as success."),
    click.option("--resume", metavar="FILE", help="Record outcomes here; skip what it has done."),
    number("--concurrency", default=8, help="The most requests at a time."),
    seconds("--deadline", type=MORE_THAN_0, default=240, help="For a session, or an outage."),
    *SERVICE_OPTIONS,
]


def with_options(options: Sequence[Option]) -> Option:
    """Decorate a command with options, which the help lists in this order."""
    return lambda function: reduce(lambda made, option: option(made), reversed(options), function)


def make_delete_session(
    context: click.Context, journal: "Recorder | None" = None
) -> "DeleteSession":
    """Make what deletes one session, as the options say. It is closed with the context."""
    from ..environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    params = context.params
    return context.with_resource(
        delete_session_from_environment(
            api_key=params["api_key"],
            api_url=params["api_url"],
            retry=RetryPolicy(deadline=params["deadline"]),
            journal=journal,
            allow_plain_http=params["allow_plain_http"],
            pool_size=params["concurrency"],
        )
    )


def make_run(
    context: click.Context,
    delete_session: "DeleteSession",
    session_ids: Iterable[str],
    *,
    skip_done: bool = True,
) -> Run:
    """Make the run over these sessions. It may skip what the record of --resume says is done."""
    report = Report(context.params)
    ids = {same_for_all_spellings(session_id): session_id for session_id in session_ids}
    left, record = ids_left(context, ids, skip_done=skip_done)
    report.total = len(left)
    report.may_resume = skip_done and record is None
    report.sums["done_before"] = len(ids) - len(left)
    concurrency = context.params["concurrency"]
    delete_many_sessions = DeleteManySessions(delete_session, concurrency=concurrency)
    return Run(delete_many_sessions, iter(left), report, record)


def ids_left(
    context: click.Context, ids: dict[str, str], *, skip_done: bool = True
) -> tuple[list[str], BinaryIO | None]:
    """Return the ids that are not done, and the record of --resume, which is closed at the end."""
    path = context.params["resume"]
    if path is None or (context.params["dry_run"] and not os.path.exists(path)):
        return list(ids.values()), None
    record = context.with_resource(open_record(path))
    recorded = read_record(record)
    done = ["deleted", "SessionNotFoundError"] if context.params["missing_ok"] else ["deleted"]
    return in_order(ids, recorded, done if skip_done else []), record


def show_dry_run(context: click.Context, ids: dict[str, str], duplicates: int) -> None:
    """Say how many sessions would be deleted, and what is odd about the ids."""
    left, _ = ids_left(context, ids)
    odd = [session_id for session_id in left if uuid_in(session_id) is None]
    counts = {"duplicates": duplicates, "done before": len(ids) - len(left), "not a UUID": len(odd)}
    said = "".join(f"; {name}: {count}" for name, count in counts.items() if count)
    hint = f". The service fails for what is not a UUID ({odd[0]}, for instance)" if odd else ""
    show_note(f"Sessions to delete: {len(left)}{said}{hint}. Nothing was sent.")


@contextmanager
def nothing_sent_yet() -> Iterator[None]:
    """End the command if what a block reads cannot be used, or at Ctrl-C."""
    try:
        yield
    except (BadInputError, ImportError, ValueError, OSError) as error:
        show_note(f"Error: {str(error).rstrip('.')}. Nothing was sent.")
        sys.exit(click.UsageError.exit_code)
    except KeyboardInterrupt:
        show_note("Interrupted. Nothing was sent.")
        sys.exit(128 + signal.SIGINT)
