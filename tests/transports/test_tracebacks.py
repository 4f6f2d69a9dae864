"""What `drop_frames` does with chains of exceptions."""

from firecrawl_interact.adapters.http.tracebacks import drop_frames


def test_a_chain_that_is_a_circle_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__context__, second.__context__ = second, first
    drop_frames(first, None)
