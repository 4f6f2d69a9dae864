"""What a service may send: mostly a response, and perhaps not quite, in pieces of any size."""

from itertools import pairwise

from hypothesis import strategies as st

STATUS_LINES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 503 O\xc3\xa9\r\n",
    b"HTTP/1.1 999 High\r\n",
    b"HTTP/2 200\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
]
FIELDS = [
    b"Content-Length: 2\r\n",
    b"content-length:\t5 \r\n",
    b"Content-Length: +2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Retry-After: 3\r\nretry-after: 4\r\n",
    b"X-Text: caf\xe9\r\nX-Empty:\r\n",
    b"X-Folded: a\r\n b\r\n",
    b"X-Space : a\r\n",
    b"X-Bare-LF: a\n",
    b"X-Bare-CR: a\rb\0\a\r\n",
    b"X-No-Colon\r\n",
    b"X-Long: " + b"x" * 40_000 + b"\r\n",
]
BODIES = [
    b"",
    b"{}",
    b"hello",
    b"2;a=b\r\n{}\r\n00\r\nX: y\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    stream = bytearray(draw(st.sampled_from(STATUS_LINES)))
    stream += b"".join(draw(st.lists(st.sampled_from(FIELDS), max_size=4)))
    stream += draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b""]))
    stream += draw(st.sampled_from(BODIES))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(stream)))
        stream[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(stream)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    places = sorted(place % (len(stream) + 1) for place in places)
    pieces = [stream[start:end] for start, end in pairwise([0, *places, len(stream)])]
    return [piece for piece in pieces if piece]
