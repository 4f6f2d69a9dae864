"""What `delete` and `sweep` are told by their options, and the run that they make of it."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from typing import TYPE_CHECKING, TypeAlias

import click

from firecrawl_interact.core import DeleteManySessions, InvalidApiKeyError, RetryPolicy

from .report import Report
from .run import Run
from .screen import show_note
from .session_ids import BadInputError, remove_done

if TYPE_CHECKING:
    from ..environment import EnvironmentDeleteSession

Option: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]
number: Callable[..., Option] = partial(click.option, type=click.IntRange(1), metavar="N")
seconds: Callable[..., Option] = partial(click.option, metavar="SECONDS")
_ADVICE_ON_KEYS = (
    "Pass the key as the service shows it, and leave out --api-key and FIRECRAWL_API_KEY for a"
    " service without sign-in."
)
MORE_THAN_0 = click.FloatRange(0, 86_400, min_open=True)
SERVICE_OPTIONS: list[Option] = [
    click.option("--api-key", metavar="KEY", help="Safer: the variable FIRECRAWL_API_KEY."),
    click.option("--api-url", metavar="URL", help="Instead of FIRECRAWL_API_URL, or the cloud."),
    click.option("--allow-plain-http", is_flag=True, help="Send the key unencrypted."),
]
OPTIONS: list[Option] = [
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each session."),
    click.option("--quiet", is_flag=True, help="Print nothing but failures."),
    click.option("--missing-ok", is_flag=True, help="Treat a session not found as success."),
    click.option("--resume", metavar="FILE", help="Record outcomes here; skip what it has done."),
    number("--concurrency", default=8, help="The most requests at a time."),
    seconds("--deadline", type=MORE_THAN_0, default=240, help="For a session, or an outage."),
    *SERVICE_OPTIONS,
]


def with_options(options: Sequence[Option]) -> Option:
    """Decorate a command with options, which the help lists in this order."""
    return lambda function: reduce(lambda made, option: option(made), reversed(options), function)


def make_delete_session(context: click.Context) -> "EnvironmentDeleteSession":
    """Make what deletes one session, as the options say. It is closed with the context."""
    from ..environment import delete_session_from_environment  # noqa: PLC0415 - --help is quick

    params = context.params
    return context.with_resource(
        delete_session_from_environment(
            api_key=params["api_key"],
            api_url=params["api_url"],
            retry=RetryPolicy(deadline=params["deadline"]),
            allow_plain_http=params["allow_plain_http"],
            pool_size=params["concurrency"],
        )
    )


def make_run(
    context: click.Context, delete_session: "EnvironmentDeleteSession", session_ids: Iterable[str]
) -> Run:
    """Make the run over these sessions, less what the record of --resume says is done."""
    params, record = context.params, None
    report = Report(**{name: params[name] for name in ("missing_ok", "as_json", "quiet")})
    ids = dict.fromkeys(session_ids)
    named = len(ids)
    if (path := params["resume"]) is not None:
        done = ["deleted", "SessionNotFoundError"] if params["missing_ok"] else ["deleted"]
        try:
            is_cut = remove_done(ids, path, done)
            record = context.with_resource(open(path, "a", encoding="ascii"))  # noqa: SIM115 - it is
        except OSError as error:
            raise BadInputError(f"--resume {path}: {error.strerror}") from error
        record.write("\n" * is_cut)
    report.total, report.before = len(ids), named - len(ids)
    delete_many_sessions = DeleteManySessions(delete_session, concurrency=params["concurrency"])
    return Run(delete_many_sessions, iter(ids), report, record)


@contextmanager
def nothing_sent_yet() -> Iterator[None]:
    """End the command if what a block reads cannot be used, or at Ctrl-C."""
    try:
        yield
    except (BadInputError, ImportError, ValueError, OSError) as error:
        text = str(error)
        if isinstance(error, InvalidApiKeyError) and error.advice == InvalidApiKeyError.advice:
            text = f"{error.args[0]}. {_ADVICE_ON_KEYS}"  # Theirs is for the arguments of a call.
        show_note(f"Error: {text.rstrip('.')}. Nothing was sent.")
        sys.exit(click.UsageError.exit_code)
    except KeyboardInterrupt:
        show_note("Interrupted. Nothing was sent.")
        sys.exit(128 + signal.SIGINT)
