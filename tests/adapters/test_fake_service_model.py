"""The fake service against a model of it, whatever its users do in whatever order."""

import math
import re
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from firecrawl_interact.adapters.fake_service import FakeService
from firecrawl_interact.adapters.fake_service.faults import (
    DrippedResponse,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from firecrawl_interact.adapters.in_memory import InMemoryTransport
from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
)

KEYS = ["fc-a", "fc-b", "fc-c"]  # the service does not know the last
TIMEOUT = 90.0

seconds = st.integers(0, 5_000_000).map(lambda milliseconds: milliseconds / 1000)
faults = st.sampled_from(
    [
        None,
        None,
        None,
        Reply(502),
        NoConnection(),
        NoResponse(),
        LostResponse(),
        DrippedResponse(1e-6),
    ]
)


@dataclass
class Session:
    team: str
    credits_per_hour: int
    opened_at: float
    lasted: float | None = None

    def bills(self, credits_billed: object) -> bool:
        assert self.lasted is not None
        return credits_billed in {
            max(
                math.ceil(self.credits_per_hour / 60),
                math.ceil((self.lasted + rounding) / 3600 * self.credits_per_hour),
            )
            for rounding in (-1e-5, 1e-5)
        }


class Users(RuleBasedStateMachine):
    session_ids: Bundle[str] = Bundle("session_ids")

    @initialize(rate_limit=st.none() | st.integers(0, 4), sign_in=st.booleans())
    def the_service_starts(self, rate_limit: int | None, sign_in: bool) -> None:
        self.service = FakeService(KEYS[:2] if sign_in else (), rate_limit=rate_limit)
        self.transport = InMemoryTransport(self.service)
        self.rate_limit = math.inf if rate_limit is None else rate_limit
        self.sign_in = sign_in
        self.now = 0.0
        self.arrived = 0
        self.sessions: dict[str, Session] = {}
        self.minutes: dict[str, list[float]] = {}

    @rule(target=session_ids, api_key=st.sampled_from([None, *KEYS[:2]]), prompt_used=st.booleans())
    def somebody_opens_a_session(self, api_key: str | None, prompt_used: bool) -> str:
        session_id = self.service.open_session(api_key=api_key, prompt_used=prompt_used)
        team = (api_key or KEYS[0]) if self.sign_in else ""
        self.sessions[session_id] = Session(team, 420 if prompt_used else 120, self.now)
        return session_id

    @rule(seconds=seconds | st.sampled_from([1.0, 59.0, 60.0]))
    def somebody_waits(self, seconds: float) -> None:
        self.transport.sleep(seconds)
        self.now += seconds

    @rule(
        session_id=session_ids | st.just("unknown"),
        api_key=st.sampled_from(KEYS),
        route=st.sampled_from(["interact", "browser"]),
        fault=faults,
    )
    def somebody_deletes(
        self, session_id: str, api_key: str, route: str, fault: Fault | None
    ) -> None:
        request = Request(
            "DELETE", f"/v2/{route}/{session_id}", {"Authorization": f"Bearer {api_key}"}
        )
        if fault is not None:
            self.service.queue(fault)
        match fault:
            case NoConnection():
                with pytest.raises(ConnectFailedError):
                    self.transport.send(request, TIMEOUT)
                return
            case NoResponse():
                with pytest.raises(TimedOutError):
                    self.transport.send(request, TIMEOUT)
                self.now += TIMEOUT
            case LostResponse():
                self.expected_status(session_id, api_key)
                with pytest.raises(ConnectionLostError):
                    self.transport.send(request, TIMEOUT)
            case Reply():
                assert self.transport.send(request, TIMEOUT) == Response(502, {}, b"")
            case _:
                lasted_before = session_id in self.sessions and self.sessions[session_id].lasted
                status = self.expected_status(session_id, api_key)
                response = self.transport.send(request, TIMEOUT)
                assert response.status == status
                if fault is not None:
                    self.now += 1e-6 * len(response.body)
                if status == 200:
                    self.check_receipt(session_id, response, first=lasted_before is None)
                if status == 429:
                    self.wait_as_the_service_says(response)
        self.arrived += 1

    def expected_status(self, session_id: str, api_key: str) -> int:
        """Act on the model as the service has to act."""
        if self.sign_in and api_key not in KEYS[:2]:
            return 401
        team = api_key if self.sign_in else ""
        began = self.minutes.get(team, [])
        if not began or self.now - began[0] > 60 - 1e-6:
            began = self.minutes[team] = []
        began.append(self.now)
        if len(began) > self.rate_limit:
            return 429
        session = self.sessions.get(session_id)
        if session is None:
            return 404
        if session.team != team:
            return 403
        if session.lasted is None:
            session.lasted = self.now - session.opened_at
        return 200

    def check_receipt(self, session_id: str, response: Response, *, first: bool) -> None:
        receipt = msgspec.json.decode(response.body, type=dict[str, object])
        session = self.sessions[session_id]
        assert receipt.pop("success") is True
        assert receipt.pop("status") == "stopped"
        assert session.bills(receipt.pop("creditsBilled"))
        if first:
            assert session.lasted is not None
            duration = receipt.pop("sessionDurationMs")
            assert duration == pytest.approx(session.lasted * 1000, abs=0.001)
        assert receipt == {}

    def wait_as_the_service_says(self, response: Response) -> None:
        found = re.search(rb"retry after (\d+)s", response.body)
        assert found is not None
        self.transport.sleep(int(found[1]))
        self.now += int(found[1])

    @invariant()
    def the_clock_shows_what_was_waited(self) -> None:
        assert self.service.monotonic() == self.now

    @invariant()
    def a_session_is_open_until_a_delete_reached_it(self) -> None:
        for session_id, session in self.sessions.items():
            assert self.service.is_open(session_id) == (session.lasted is None)

    @invariant()
    def every_request_that_arrived_is_on_record_without_its_key(self) -> None:
        assert len(self.service.requests) == self.arrived
        assert all(request.headers == {} for request in self.service.requests)


TestUsers = Users.TestCase
TestUsers.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
