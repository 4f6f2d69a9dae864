"""What a service may send: mostly a response, and perhaps not quite, in pieces of any size."""

from collections import Counter
from itertools import pairwise
from typing import TypeAlias

from hypothesis import strategies as st

Streams: TypeAlias = st.SearchStrategy[bytes]

CONTENT = b'{"success":true}'
INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]
STATUS_LINES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200\r\n",
    b"HTTP/1.0 404 Not Found\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 429 Too Many\x7f Requests\r\n",
    b"HTTP/1.1 503 O\xc3\xa9\r\n",
    b"HTTP/1.1 999 High\r\n",
    b"HTTP/2 200\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
]
FIELDS = [
    b"Content-Length: 16\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: identity\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, Close\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Retry-After: 3\r\nretry-after: 4\r\n",
    b"X-Text: caf\xe9 \t\r\nX-Empty:\r\n",
    b"X-Folded: a\r\n\t\r\n b\r\n",
    b"X-Space : a\r\n",
    b"X-Bare-LF: a\n",
    b"X-Bare-CR: a\rb\0\a\r\n",
    b"X-No-Colon\r\n",
    b"X-Long: " + b"x" * 40_000 + b"\r\n",
]
LENGTHS = [
    b"Content-Length: 16\r\n",
    b"content-length:16 \r\n",
    b"Content-Length: 16, 16\r\n",
    b"Content-Length: 16, 17\r\n",
    b"Content-Length: +16\r\n",
    b"Content-Length: 1\xb2\r\n",
    b"Content-Length: 9999999\r\n",
]
CHUNKED = [b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:CHUNKED\r\n"]
CHUNKS = [
    b"10\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    b"4 ;a=b\r\n" + CONTENT[:4] + b"\r\nC\r\n" + CONTENT[4:] + b"\r\n00;c\r\nX: y\r\n\r\n",
    b"10\r\n" + CONTENT + b"\n\n0\r\n\r\n",
    b"10\r\n" + CONTENT + b"\r\n0\r\nX : y\r\n\r\n",
    b"0x10\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    b"1_0\r\n" + CONTENT + b"\r\n0\r\n\r\n",
]
BODIES = [CONTENT, CONTENT + b"x", CONTENT + STATUS_LINES[0] + LENGTHS[0] + b"\r\n" + CONTENT]
FRAMES = st.tuples(st.sampled_from(LENGTHS), st.sampled_from(BODIES)) | st.tuples(
    st.sampled_from([*CHUNKED, LENGTHS[0] + CHUNKED[0], b"Transfer-Encoding: x\r\n"]),
    st.sampled_from(CHUNKS),
)
SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"
PIECES = [b"\r\n", b"\n", b"\r", b" ", b":", b"0", b"1", b"\0", b"\xff", b",", b";", b"close"]
CHUNK_SIZES = [(b"1", 1), (b"4", 4), (b"c", 12), (b"0C", 12), (b"10", 16), (b"0" * 15 + b"1", 1)]
CHUNK_SIZES += [(b"0" * 16 + b"1", 1), (b"-1", 1), (b"0x1", 1), (b"1_0", 16)]
EXTENSIONS = [*[b""] * 9, b" \t", b";a=b", b" ; a", b" a", b";\0", b";\xff"]
ENDS_OF_CHUNKS = [(b"\r\n", b"\r\n")] * 8 + [(b"\n", b"\r\n"), (b"\r", b"\r\n")]
ENDS_OF_CHUNKS += [(b"\r\n", end) for end in (b"\n", b"\n\n", b"\r", b"", b"x\r\n")]
TRAILERS = [b"", b"", b"X: y\r\n", b"Content-Length: 3\r\n"]
TRAILERS += [b" x\r\n", b"X y\r\n", b"X: a\r\n b\r\n"]
UNENDED = [b"0", b"4\r", b"c;a", b"1"]


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """The rest of a head, and chunks: mostly each as long as its size says."""
    body = b""
    for _ in range(draw(st.integers(0, 3))):
        size, length = draw(st.sampled_from(CHUNK_SIZES))
        line_end, end = draw(st.sampled_from(ENDS_OF_CHUNKS))
        extension = draw(st.sampled_from(EXTENSIONS))
        body += size + extension + line_end + CONTENT[:length] + end
    last = [b"0\r\n" + trailers + b"\r\n" for trailers in TRAILERS]
    return b"\r\n" + body + draw(st.sampled_from([*last, *UNENDED * 2]))


MIB, KIB = 1024 * 1024, 1024
OK = b"HTTP/1.1 200 OK\r\n"
HALVES = b"80000\r\n" + b"x" * (MIB // 2) + b"\r\n"
LARGEST = b"%X\r\n" % MIB + b"x" * MIB + b"\r\n"


def with_length(length: int) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % length


def of_lines(lines: bytes) -> bytes:
    return OK + lines + b"Content-Length: 0\r\n\r\n"


LIMITS = [
    with_length(MIB) + b"x" * MIB,
    with_length(MIB + 1) + b"x" * (MIB + 1),
    OK + b"Content-Length: %b16\r\n\r\n" % (b"0" * 16) + CONTENT,
    OK + b"Content-Length: %b16\r\n\r\n" % (b"0" * 17) + CONTENT,
    *(
        OK + CHUNKED[0] + b"\r\n" + chunks + b"0\r\n\r\n"
        for chunks in (
            HALVES * 2,
            HALVES * 2 + b"1\r\nx\r\n",
            HALVES + b"80001\r\nx",
            LARGEST,
            LARGEST + b"1\r\nx\r\n",
            b"100001\r\nx",
            b"1;" + b"x" * 60 * KIB + b"\r\nx\r\n",
            (b"1;" + b"x" * 60 * KIB + b"\r\nx\r\n") * 34,
            (b"1;" + b"x" * 60 * KIB + b"\r\nx\r\n") * 35,
            b"1\r\nx\r\n" * 12_000,
            b"0\r\nX: %b\r\n\r\n" % (b"x" * (68 * KIB - 10)),
            b"0\r\nX: %b\r\n\r\n" % (b"x" * (68 * KIB - 9)),
        )
    ),
    of_lines(b"X: y\r\n" * 1000 + b" z\r\n" * 1000),
    of_lines(b"X: %b\r\n" % (b"x" * (68 * KIB - 43))),
    of_lines(b"X: %b\r\n" % (b"x" * (68 * KIB - 42))),
    b"HTTP/1.1 103 Early\r\nX: %b\r\n\r\n" % (b"x" * 60 * KIB) * 2 + of_lines(b""),
]


@st.composite
def spoilt(draw: st.DrawFn, wholes: st.SearchStrategy[bytes], pieces: list[bytes]) -> bytes:
    """Bytes of which a few were lost, doubled, changed or added; or none were."""
    data = draw(wholes)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        piece = draw(
            st.sampled_from([b"", data[start:end] * 2, *pieces]) | st.binary(min_size=1, max_size=2)
        )
        data = data[:start] + piece + data[end:]
    return data


def joined(*parts: Streams) -> Streams:
    return st.tuples(*parts).map(b"".join)


def some_of(pieces: list[bytes], at_most: int) -> Streams:
    return st.lists(st.sampled_from(pieces), max_size=at_most).map(b"".join)


def response_of(status_lines: list[bytes], fields: Streams) -> Streams:
    """A response whose length stands before or behind other fields."""
    return st.builds(
        lambda status, fields, framed, is_first: (
            status + (framed[0] + fields if is_first else fields + framed[0]) + b"\r\n" + framed[1]
        ),
        st.sampled_from(status_lines),
        fields,
        FRAMES,
        st.booleans(),
    )


USUAL = response_of(STATUS_LINES[:2], some_of(FIELDS[:3] + FIELDS[5:8], 2))
LIKELY = response_of(STATUS_LINES[:6], some_of(FIELDS[:10], 2))


@st.composite
def cut_off(draw: st.DrawFn) -> bytes:
    stream = draw(joined(some_of(INTERIM, 1), USUAL))
    missing = draw(st.integers(1, 20) | st.integers(0, len(stream)))
    return stream[: max(0, len(stream) - missing)]


@st.composite
def with_other_ends(draw: st.DrawFn) -> bytes:
    """A response in which the end of one line is another."""
    lines = draw(LIKELY).split(b"\r\n")
    place = draw(st.integers(1, len(lines) - 1))
    end = draw(st.sampled_from([b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\r\n", b"\r\n\r\n", b""]))
    return b"\r\n".join(lines[:place]) + end + b"\r\n".join(lines[place:])


# Each has its share of the examples.
SHARES = {"one field more": 2, "interim responses": 2, "cut off": 2, "chunks": 3}
_STREAMS: dict[str, Streams] = {
    "as it should be": joined(some_of(INTERIM, 1), USUAL),
    "likely": LIKELY,
    "anything": response_of(STATUS_LINES, some_of(FIELDS, 4)),
    "interim responses": joined(
        st.lists(st.sampled_from([*INTERIM, SWITCHES]), min_size=1, max_size=3).map(b"".join)
        | st.sampled_from([INTERIM[0] * 8, INTERIM[0] * 9, INTERIM[1] * 8, INTERIM[1] * 9]),
        USUAL,
    ),
    "HTTP/1.0": response_of(STATUS_LINES[2:3], some_of(FIELDS[:9], 1)),
    "without a body": response_of(STATUS_LINES[3:5], some_of(FIELDS[:10], 2)),
    "glued": joined(USUAL, USUAL | st.sampled_from([b"\r\n", b"x", *STATUS_LINES[:1]])),
    "one field more": joined(
        st.sampled_from(STATUS_LINES[:2]),
        st.sampled_from(FIELDS),
        st.just(LENGTHS[0] + b"\r\n" + CONTENT),
    ),
    "other ends of lines": with_other_ends(),
    "without a length or encoded": joined(
        st.sampled_from(STATUS_LINES[:3]),
        some_of(FIELDS[4:7], 1),
        st.sampled_from([b"", FIELDS[3], b"Content-Encoding: Identity\r\n"]),
        st.sampled_from([b"", LENGTHS[0]]),
        st.sampled_from([b"\r\n" + CONTENT, b"\r\n"]),
    ),
    "cut off": cut_off(),
    "chunks": joined(st.sampled_from(STATUS_LINES[:3]), st.sampled_from(CHUNKED), chunks()),
    "spoilt": spoilt(joined(some_of(INTERIM, 1), LIKELY), PIECES),
}
STREAMS = [(SHARES.get(kind, 1), streams) for kind, streams in _STREAMS.items()]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    places = sorted(place % (len(stream) + 1) for place in places)
    pieces = [stream[start:end] for start, end in pairwise([0, *places, len(stream)])]
    return [piece for piece in pieces if piece]


def shares(seen: Counter[str]) -> str:
    """Say how often each class was seen, the most frequent one first."""
    return ", ".join(f"{count} {name}" for name, count in seen.most_common())
