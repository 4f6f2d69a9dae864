"""What may come back from a DELETE: the service's own responses, changed, and what others send.

Half of the time a response is as it is sent. Else parts of it are changed, missing, doubled, of
another type, in another case, nested, cut, or mixed with what gateways and routers send.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from hypothesis import strategies as st

from ..made_up_responses import spoilt
from . import service_shapes as shapes
from .service_shapes import KEY, KEYS, OWN_STATUSES, Pairs, failures

Statuses: TypeAlias = st.SearchStrategy[list[int]]
Rows: TypeAlias = st.SearchStrategy[tuple[list[int], Pairs]]
"""Statuses, and an object in JSON that comes under each of them."""


class Sent(NamedTuple):
    """What was sent back to a request that carried this key: the same under each status."""

    statuses: list[int]
    headers: dict[str, str]
    body: bytes
    key: str = KEYS[0]


Responses: TypeAlias = st.SearchStrategy[Sent]


def each_of(statuses: Iterable[int]) -> Statuses:
    return st.sampled_from([[status] for status in statuses])


def one_in(count: int, statuses: Sequence[int]) -> Statuses:
    return st.sampled_from([[*statuses[first::count]] for first in range(count)])


def rows(statuses: Statuses, contents: list[Pairs]) -> Rows:
    return st.tuples(statuses, st.sampled_from(contents))


# What the service sends, and the same under the status of something else.
ROWS = {
    "a receipt": rows(each_of([200]), shapes.RECEIPTS),
    "a receipt under another status": rows(one_in(3, shapes.SUCCESSES), shapes.RECEIPTS),
    "not deleted": rows(each_of([200]), failures(shapes.ALL_TEXTS)),
    "gone": rows(each_of([404, 410]), failures(shapes.GONE_FORMS)),
    "gone under another status": rows(one_in(2, OWN_STATUSES), failures(shapes.OF_GONE_SESSIONS)),
    "a failure of the backend": rows(one_in(2, OWN_STATUSES), failures([shapes.BACKEND])),
    "anything": rows(each_of(OWN_STATUSES), failures(shapes.ALL_TEXTS) + shapes.RECEIPTS),
    "any status": rows(
        one_in(6, [0, 100, *range(195, 605), 999]), failures(shapes.ALL_TEXTS) + shapes.RECEIPTS
    ),
    **{
        f"as under {statuses}": rows(each_of(statuses), failures(texts))
        for statuses, texts in shapes.TEXTS.items()
    },
}
SHARES = {"a receipt": 3, "gone": 3, "a failure of the backend": 3}

# --- changes ----------------------------------------------------------------------------------

OTHER_VALUES: list[object] = [None, True, False, 0, 1, -2, 2.5, 1e308, 10**30, "", "true", "2"]
OTHER_VALUES += [[], [True], {}, {"success": True}, {"error": "Session not found"}, "\U0001f98a"]


class Literal(str):
    """JSON as it is to be written, or what is not quite JSON."""

    __slots__ = ()


LITERALS = ["1e400", "-1e400", "9" * 5_000, "-0", "-0.0", "1E+2", "NaN", "01", "tru", "'x'", '"\n"']
LITERALS += [r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"', r'"a\u0000b"', r'"\\ud800"']
LITERALS += ['"\x7f"', *("[" * depth + "]" * depth for depth in (50, 98, 99, 100, 101))]
NAMES = ["success", "sessionDurationMs", "creditsBilled", "status", "error", "message", "code", "x"]
Change: TypeAlias = Callable[[str], str]
OTHER_NAMES: list[Change] = [
    str.upper,
    str.capitalize,
    str.lower,
    lambda name: f"{name} ",
    lambda name: name.replace("s", "\u017f"),
]
OTHER_WORDS: list[Change] = [
    str.upper,
    str.title,
    lambda words: words.removesuffix("."),
    lambda words: f"{words}.",
    lambda words: f" {words}",
    lambda words: f"Error: {words}",
    lambda words: f"{words} Retry later",
    lambda words: f"{words}\n\x1b[31m\u202e\u2028",
    lambda words: words.replace(" ", "  "),
    lambda words: words * 12,
    lambda words: words[: len(words) // 2],
    lambda words: words.replace("retry after ", "retry after 99999999"),
    lambda words: words.replace("retry after ", "retry after -"),
    lambda words: words.replace("retry after ", "retry after 2 s, retry after "),
]


@st.composite
def changed(draw: st.DrawFn, pairs: Pairs) -> Pairs:
    """An object of which a part is missing, doubled, or otherwise."""
    place = draw(st.integers(0, len(pairs) - 1))
    before, (name, value), behind = pairs[:place], pairs[place], pairs[place + 1 :]
    literals = st.sampled_from(LITERALS).map(Literal)
    other = draw(st.sampled_from(OTHER_VALUES) | literals | st.sampled_from(shapes.ALL_TEXTS))
    match draw(st.sampled_from(["missing", "value", "name", "words", "doubled", "more", "nested"])):
        case "missing" if before or behind:
            return before + behind
        case "value":
            return [*before, (name, other), *behind]
        case "name":
            return [*before, (draw(st.sampled_from(OTHER_NAMES))(name), value), *behind]
        case "words":
            change = draw(st.sampled_from(OTHER_WORDS))
            return [(name, change(said) if isinstance(said, str) else said) for name, said in pairs]
        case "doubled":
            return draw(st.sampled_from([[(name, other), *pairs], [*pairs, (name, other)]]))
        case "more":
            return [*pairs, (draw(st.sampled_from(NAMES)), other)]
    return draw(st.sampled_from([[("data", pairs)], [*pairs, ("error", pairs)]]))


def written(value: object, *, is_ascii: bool) -> str:
    """Return JSON in which a name may come twice."""
    if isinstance(value, Literal):
        return value
    if isinstance(value, list) and value and all(isinstance(one, tuple) for one in value):
        fields = [f"{json.dumps(name)}: {written(one, is_ascii=is_ascii)}" for name, one in value]
        return f"{{{','.join(fields)}}}"
    return json.dumps(value, ensure_ascii=is_ascii)


PIECES = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"true", b"null", b"\\u00e9", b"\xff", b"\xc3"]
PIECES += [b"\xe2\x82", b"\0", b'"success":true', b'"error":"Session not found"', b"\xef\xbb\xbf"]


@st.composite
def perhaps_changed(draw: st.DrawFn, rows: Rows) -> tuple[list[int], bytes]:
    """The service's JSON, of which perhaps a part is otherwise, or was lost or added."""
    statuses, pairs = draw(rows)
    is_ascii = draw(st.booleans())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        pairs = draw(changed(pairs))
    body = written(pairs, is_ascii=is_ascii).encode()
    match draw(st.sampled_from([None] * 8 + ["spoilt", "mixed"])):
        case "spoilt":
            body = draw(spoilt(st.just(body), PIECES))
        case "mixed":
            other, cut = draw(st.sampled_from(shapes.PAGES)), draw(st.integers(0, len(body)))
            mixed = [body[:cut], body + other, other + body, body * 2, b"[%b]" % body]
            body = draw(st.sampled_from(mixed))
    return statuses, body


pages = st.tuples(
    each_of(shapes.PAGE_STATUSES), st.sampled_from(shapes.PAGES) | st.binary(max_size=40)
)


def sent(statuses_and_body: tuple[list[int], bytes], headers: dict[str, str], key: str) -> Sent:
    statuses, body = statuses_and_body
    carried = {name: text.replace(KEY, key) for name, text in headers.items()}
    return Sent(statuses, carried, body.replace(KEY.encode(), key.encode()), key)


def with_headers(bodies: st.SearchStrategy[tuple[list[int], bytes]]) -> Responses:
    return st.builds(sent, bodies, st.sampled_from(shapes.HEADERS), st.sampled_from(KEYS))


# Half of them as they are sent. Each kind has its share of the examples.
SERVICE_RESPONSES: dict[str, tuple[int, Responses]] = {
    "a page": (1, with_headers(pages)),
    **{
        kind: (SHARES.get(kind, 1), with_headers(perhaps_changed(rows)))
        for kind, rows in ROWS.items()
    },
}
