"""What a service may send: mostly a response, and perhaps not quite, in pieces of any size."""

from itertools import pairwise

from hypothesis import strategies as st

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
PIECES = [b"\r\n", b"\n", b"\r", b" ", b":", b"0", b"1", b"\0", b"\xff", b",", b";", b"close"]


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


def streams() -> st.SearchStrategy[bytes]:
    interim = st.sampled_from(INTERIM)
    wholes = st.builds(
        lambda interim, status, fields, framed: b"".join(
            [*interim, status, framed[0], *fields, b"\r\n", framed[1]]
        ),
        st.lists(interim, max_size=1) | st.lists(interim, max_size=9),
        st.sampled_from(STATUS_LINES[:6]) | st.sampled_from(STATUS_LINES),
        st.lists(st.sampled_from(FIELDS[:10]), max_size=2)
        | st.lists(st.sampled_from(FIELDS), max_size=4),
        FRAMES,
    )
    return spoilt(wholes, PIECES)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    places = sorted(place % (len(stream) + 1) for place in places)
    pieces = [stream[start:end] for start, end in pairwise([0, *places, len(stream)])]
    return [piece for piece in pieces if piece]
