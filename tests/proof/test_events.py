"""After one or two events and then a calm and truthful service, every call knows what is so."""

import pytest

from .events import told_of_each
from .figures import NoteFigure

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.mark.parametrize(("what", "in_a_row"), [("one event", 1), ("two events in a row", 2)])
def test_a_call_knows_what_is_so_once_the_service_is_calm(
    what: str, in_a_row: int, note_figure: NoteFigure
) -> None:
    told = told_of_each(in_a_row)
    calls = len(told)
    unknown = sum(one.is_unknown for one in told) / calls
    wrong = sum(one.is_wrong for one in told)
    ended = sum(one.is_ended for one in told) / calls
    note_figure(f"{what}: calls played", calls)
    note_figure(f"{what}: they end `UNKNOWN`", f"{unknown:.1%}")
    note_figure(f"{what}: they say what is not so", wrong)
    note_figure(f"{what}: the session is ended", f"{ended:.1%}")
    note_figure(f"{what}: requests a session", f"{sum(one.requests for one in told) / calls:.2f}")
    note_figure(f"{what}: seconds a session", f"{sum(one.seconds for one in told) / calls:.1f}")
    assert wrong == 0
    assert unknown <= (in_a_row - 1) / 100
    assert ended >= 0.99
