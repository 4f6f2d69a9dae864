"""Faults that are planted in copies of what reads bytes from outside, and what notices them.

Fuzzing alone must notice each, with the examples of `make test`: no table and no single example.
A quotation that does not fit any more is an error that says so: quote the code as it is now.
"""

import importlib.util
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

from hypothesis import Phase, settings

from ..adapters import test_framing
from ..core import test_fuzzed_responses
from .planted_faults import ROOT, Fault, plant, read_faults

# What fuzzes it, and the fault; the code, and what becomes of it.
FAULTS = read_faults(r"""
wire: the words of a gone session must have the service's case
    .lower().removesuffix => .removesuffix
wire: words that have those of a gone session among others are taken for them
    .lower().removesuffix(".") in _GONE => .lower().find("session not found") >= 0
wire: a page with the words of a gone session is believed
    reports_failure and says_gone => says_gone
wire: the words of a gone session are believed under one status more
    status in {404, 410} => status in {404, 410, 403}
wire: one status more is a failure that passes
    408, 409, 425, => 408, 409, 423, 425,
wire: a failure of the backend counts as the service's own under a 404
    _words(content) == _BACKEND_FAILED: => status != 404 and _words(content) == _BACKEND_FAILED:
wire: any success gives a receipt
    response.status == 200 and => 200 <= response.status < 300 and
wire: the bill is that of the duration
    _billed(content.credits_billed => _billed(content.session_duration_ms
wire: the duration is cut, not rounded
    round(duration) => int(duration)
wire: the key is shown in the code
    shown(headers.mask(_text(content.code))) => shown(_text(content.code))
wire: the key is shown in the request's id
    request_id=shown(headers.mask( => request_id=shown((
wire: the key is shown in the session's status
    headers.mask(_text(content.status))) if => _text(content.status)) if
wire: a text is cut before the key in it is masked
    headers.mask(_words(content)) => headers.mask(_words(content)[:500])
wire: the wait of the text is too short
    float(found[1]) + 0.5 if => float(found[1]) if
wire: a moment that is over is waited for backwards
    max(0.0, (then - now).total_seconds()) => (then - now).total_seconds()
wire: a gateway's refusal is taken for the service's
    and not _is_services_json(content): => and False:
framing: another protocol may follow
    status == 101 => status == 999
framing: one interim response more is taken
    range(MAX_INTERIM_RESPONSES + 1) => range(MAX_INTERIM_RESPONSES + 2)
framing: chunks are taken in HTTP/1.0
    or version == 10: => :
framing: a length and chunks are taken together
    or length is not None or => or
framing: lengths that differ are taken
    if lengths or not ( => if not (
framing: a length of other digits is taken
    length.isascii() and length.isdecimal() => length.isdigit()
framing: a body that is too large is taken
    or int(length) > MAX_BODY_BYTES: => :
framing: chunks are too large only one by one
    len(body) + size > => size >
framing: a chunk that is longer than its size is taken
    self._take(2) != b"\r\n" => not self._take(2)
framing: a chunk is taken before it is whole
    < end + size + 2: => < end + size:
framing: a 304 has a body
    status in (204, 304) => status == 204
framing: an encoded body is taken
    not in ("", "identity") => not in ("", "identity", "gzip")
framing: the connection is kept after surplus bytes
    closes or bool(self._received) => closes
framing: the connection is kept after HTTP/1.0
    closes = version == 10 or => closes =
framing: `close` must have the case of the standard
    headers.get("connection", "").lower() => headers.get("connection", "")
framing: of two headers of one name the last one counts
    f"{headers[key]}, {value}" if key in headers else value => value
framing: a space before the colon is taken
    _NAME + rb":" => _NAME + rb" ?:"
framing: trailers may be anything
    rb"[^\n]*+\n" + _FIELD_LINES => rb"[^\n]*+\n()(?:[^\n]++\n)*?\r\n"
""")


SOURCES = {
    "wire": ROOT / "core" / "wire.py",
    "framing": ROOT / "adapters" / "http" / "framing.py",
}
PACKAGES = {"wire": "firecrawl_interact.core", "framing": "firecrawl_interact.adapters.http"}


def copy_with(fault: Fault | None, of_what: str, directory: Path) -> ModuleType:
    """Import a copy of a module beside it, with a fault if there is one."""
    path = Path(shutil.copy(SOURCES[of_what], directory))
    if fault is not None:
        plant(fault, directory)
    name = f"{PACKAGES[of_what]}.{of_what}_with_a_fault"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # msgspec looks up the annotations of its classes there.
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


def fuzz(of_what: str, copy: ModuleType) -> Counter[str]:
    """Fuzz a copy with the examples of `make test`; the smallest one that fails is not sought."""
    phases = (Phase.explicit, Phase.generate)
    as_in_make_test = settings(settings.get_profile("quick"), phases=phases)
    if of_what == "wire":
        return test_fuzzed_responses.fuzz(copy, as_in_make_test)
    return test_framing.fuzz(copy.ResponseParser, as_in_make_test)
