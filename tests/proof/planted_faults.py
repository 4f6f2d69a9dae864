"""Copies of the core in each of which one fault is planted."""

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .schedules import Core

CORE = Path(__file__).parents[2] / "core"


class PlantedFault(NamedTuple):
    """A change to a module of the core, and the claim that it breaks."""

    what: str
    breaks: str
    module: str
    old: str
    new: str


FAULTS = [
    PlantedFault(
        "a lost connection is taken for one that never was",
        "untouched",
        "transport",
        'came: the service may have acted."""\n\n    def',
        'came: the service may have acted."""\n\n    sent = False\n\n    def',
    ),
    PlantedFault(
        "a timeout is taken for a connection that never was",
        "untouched",
        "transport",
        '"""No whole response within the time given: the service may have acted."""',
        "sent = False",
    ),
    PlantedFault(
        "what an earlier attempt may have done is forgotten",
        "untouched",
        "conversation",
        "uncertain = _keep_worst_fate(error, uncertain=uncertain)",
        "_keep_worst_fate(error, uncertain=False)",
    ),
    PlantedFault(
        "only the attempt before the last one counts",
        "untouched",
        "conversation",
        "uncertain = _keep_worst_fate(error, uncertain=uncertain)",
        "own_fate = error.session_fate\n"
        "        _keep_worst_fate(error, uncertain=uncertain)\n"
        "        uncertain = own_fate is SessionFate.UNKNOWN",
    ),
    PlantedFault(
        "a 502 is taken for a request that did nothing",
        "untouched",
        "errors",
        '"""408, 409, 425, 5xx, or a failure of the service\'s backend. The session\'s fate is '
        'unknown."""',
        "session_fate = SessionFate.UNTOUCHED",
    ),
    PlantedFault(
        "any response with status 404 is taken for the service's",
        "gone",
        "wire",
        "if status in {404, 410} and reports_failure and _says_gone(content):",
        "if status == 404 or (status == 410 and reports_failure):",
    ),
    PlantedFault(
        "a router's 404 is taken for the service's",
        "gone",
        "wire",
        "if status in {404, 410} and reports_failure and _says_gone(content):",
        "if status in {404, 410} and reports_failure:",
    ),
    PlantedFault(
        "a 404 of the backend is taken for the end of the session",
        "gone",
        "wire",
        "    if _is_of_backend(content):\n",
        "    if _is_of_backend(content) and status == 404:\n"
        "        return SessionNotFoundError\n"
        "    if _is_of_backend(content):\n",
    ),
    PlantedFault(
        "a page of an unknown sender is taken for the end of the session",
        "gone",
        "errors",
        "    transient = True\n    advice = (\n",
        "    session_fate = SessionFate.GONE\n    advice = (\n",
    ),
    PlantedFault(
        "`success: false` gives a receipt",
        "receipt",
        "wire",
        'if response.status == 200 and bytes(content.success) == b"true":',
        "if response.status == 200 and content.success:",
    ),
    PlantedFault(
        "every JSON object under a 200 gives a receipt",
        "receipt",
        "wire",
        'if response.status == 200 and bytes(content.success) == b"true":',
        'if response.status == 200 and bytes(content.success) != b"false":',
    ),
    PlantedFault(
        "the bill is made up",
        "receipt",
        "wire",
        "content.credits_billed, _number_decoder, session_id",
        'msgspec.Raw(b"2"), _number_decoder, session_id',
    ),
    PlantedFault(
        "the backend's 401 is taken for the service's",
        "untouched",
        "wire",
        "    if _is_of_backend(content):\n",
        "    if _is_of_backend(content) and status != 401:\n",
    ),
    PlantedFault(
        "the older route is asked",
        "one session",
        "wire",
        "/v2/interact/{session_id}",
        "/v2/browser/{session_id}",
    ),
    PlantedFault(
        "gone is forgotten after a timeout",
        "no vaguer",
        "conversation",
        "if uncertain and error.session_fate is SessionFate.UNTOUCHED:",
        "if uncertain:",
    ),
    PlantedFault(
        "a session that is not found is called untouched",
        "no vaguer",
        "errors",
        "    session_fate = SessionFate.GONE\n",
        "    session_fate = SessionFate.UNTOUCHED\n",
    ),
    PlantedFault(
        "a rate limit leaves the fate unknown",
        "no vaguer",
        "errors",
        "    session_fate = SessionFate.UNTOUCHED\n    transient = True\n",
        "    transient = True\n",
    ),
    PlantedFault(
        "an error counts one attempt",
        "outcome",
        "conversation",
        "headers=headers, session_id=session_id, attempts=attempts)",
        "headers=headers, session_id=session_id, attempts=1)",
    ),
    PlantedFault(
        "one attempt more than the policy allows",
        "attempts",
        "conversation",
        "if attempts == retry.max_attempts:",
        "if attempts > retry.max_attempts:",
    ),
    PlantedFault(
        "a wait beyond the deadline is begun",
        "deadline",
        "conversation",
        "is_last = pause >= left",
        "is_last = pause == math.inf",
    ),
    PlantedFault(
        "an attempt may outlast the deadline",
        "deadline",
        "conversation",
        "Send(request, min(retry.attempt_timeout, left))",
        "Send(request, retry.attempt_timeout)",
    ),
    PlantedFault(
        "a 401 is retried",
        "retries",
        "errors",
        '    advice = "Check the API key."',
        "    transient = True",
    ),
    PlantedFault(
        "a 502 is not retried",
        "retries",
        "errors",
        'backend. The session\'s fate is unknown."""\n\n    transient = True',
        'backend. The session\'s fate is unknown."""\n\n    transient = False',
    ),
    PlantedFault(
        "a page is not retried",
        "retries",
        "errors",
        "    transient = True\n    advice = (\n",
        "    transient = False\n    advice = (\n",
    ),
    PlantedFault(
        "`success: false` is not retried",
        "retries",
        "errors",
        '    The session\'s fate is unknown.\n    """\n\n    transient = True\n',
        '    The session\'s fate is unknown.\n    """\n\n    transient = False\n',
    ),
    PlantedFault(
        "a gateway's 401 ends the call",
        "retries",
        "wire",
        "        error.transient = True\n",
        "        error.transient = False\n",
    ),
    PlantedFault(
        "a transport's word keeps a call from asking again",
        "retries",
        "conversation",
        "transient=failure.sent or failure.transient",
        "transient=failure.transient",
    ),
    PlantedFault(
        "the service's wait is not kept",
        "pauses",
        "conversation",
        "        return error.retry_after\n",
        "        pass\n",
    ),
    PlantedFault(
        "the wait in the text is kept without the half second that it lacks",
        "pauses",
        "wire",
        "_ROUNDED_DOWN = 0.5",
        "_ROUNDED_DOWN = 0.0",
    ),
    PlantedFault(
        "each stale connection is followed by a retry at once",
        "pauses",
        "conversation",
        "stale_retried = stale_retried or is_stale",
        "stale_retried = False",
    ),
]


@contextmanager
def planted(fault: PlantedFault, directory: Path) -> Iterator[Core]:
    """Import a copy of the core with the fault, under another name."""
    folder = directory / "core_with_a_fault"
    shutil.copytree(CORE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / f"{fault.module}.py"
    source = file.read_text(encoding="utf-8")
    assert source.count(fault.old) == 1, f"{fault.what}: nothing to change, or more than one place"
    file.write_text(source.replace(fault.old, fault.new), encoding="utf-8")

    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[folder.name] = package = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(package)
        conversation, transport, retry = (
            importlib.import_module(f"{folder.name}.{module}")
            for module in ("conversation", "transport", "retry")
        )
        yield Core(
            converse=conversation.converse,
            wait=conversation.Wait,
            failed=conversation.Failed,
            response=transport.Response,
            faults={kind.__name__: kind for kind in transport.TransportError.__subclasses__()},
            policy=retry.RetryPolicy,
        )
    finally:
        for name in [name for name in sys.modules if name.startswith(folder.name)]:
            del sys.modules[name]
