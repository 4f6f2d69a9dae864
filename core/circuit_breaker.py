"""The circuit breaker of a run: whether the service is away, and when a request may find out. Pure.

Closed, it stops nothing. Open, it lets one request go at a time: a half-open probe. It closes when
the service itself responds. Times are in seconds on the transport's clock, except how long an
outage has lasted, which is counted in seconds that the run has `waited`: a slow caller is none.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .conversation import Failed
from .errors import DeleteSessionError, RunEndedError, ServiceUnavailableError, UnreachableError
from .job import Job
from .transport import TimedOutError

_PAGES_ALONE = 30.0
"""Seconds. A run that has met the pages of others alone for so long has a wrong address."""
_MOST_IDS_OWN = 20
"""If more ids than these fail in a row, the service is away, even if it says so itself."""
_LONGEST_ALONE = 40.0
"""Seconds. Ids that fail, with no other id left, are probed for so long. Then each fails alone."""
_SHORTEST_TIMEOUT = 1.0
"""Seconds that a half-open probe has at least, however soon the outage ends the run."""


class Failure(NamedTuple):
    """An attempt that may show an outage."""

    error: DeleteSessionError
    sent_at: float
    landed_at: float
    waited: float


class CircuitBreaker:
    """Says whether the service is away, from the attempts that failed with what a retry may mend.

    - A failure counts until the service itself responds to a request that was sent later, or at
      the same time (`shows_service_works`). The page of a gateway is not such a response, and
      neither is a 5xx in the service's own words (`is_spoken`): both are failures. A conflict, and
      a kept connection that had ended, show nothing.
    - The breaker opens if the failures of two ids count, and either all that was in flight at the
      first failure has landed as well, or an id would be given up otherwise. One id is enough if
      it would be given up while a request of before its first failure is still in flight, and
      nothing shows that the service is there: the others hang, and cannot fail.
    - Half-open probes go one at a time. The policy's backoff lies between two of them, or what the
      service asks for, if that is longer. Each is for another id.
    - It closes when no failure counts any more. While it is open, a failure in the service's own
      words ends the count of earlier pages and silence: the service is there, even if it fails.

    A failure in the service's own words can be the service's, or that of one id, which then fails
    for ever: it is not a UUID, for instance. So, if all failures that count are in its own words:

    - An id that failed before and after a response of the service fails by itself.
    - Half-open probes after the first one are for ids that were never sent, up to twenty: a good
      one shows that the service is there. The first is for one that is held already.
    - If there is none any more, those that failed are probed for some time (`_LONGEST_ALONE`).
      Then the breaker closes, and each of them fails by itself.

    More than twenty ids in a row that fail look like an outage. Nothing can tell the two apart.
    """

    def __init__(self, backoff: Callable[[int], float], deadline: float) -> None:
        self.is_open: bool = False  #: whether the service is away
        self.next_probe_at: float = -math.inf  #: once it is open
        self._has_met_more_than_pages = False  # silence, a 5xx, or the service itself
        self.failures: list[Failure] = []  #: those that count
        self.probe: Job | None = None  #: the half-open probe that was sent last
        self._backoff = backoff
        self._deadline = deadline
        self._failed_probes = 0  # since it opened
        self._is_of_one_id = False  # whether one id has opened it, and no other has failed since
        # When the latest request was sent to which the service itself has responded.
        self._served_at = -math.inf
        # `waited`, since which `_LONGEST_ALONE` counts: when it opened, when an id failed for the
        # first time, or when failures ceased to count.
        self._alone_since = 0.0

    @property
    def may_be_ids_own(self) -> bool:
        """Whether it is open for failures that can still be those of single ids."""
        are_spoken = all(failure.error.is_spoken for failure in self.failures)
        return self.is_open and are_spoken and self._count_failing_ids() <= _MOST_IDS_OWN

    @property
    def has_probed(self) -> bool:
        """Whether a half-open probe has failed since it opened."""
        return self._failed_probes > 0

    def ends_in(self, waited: float, *, have_all_failed: bool = False) -> float:
        """Return the seconds until an outage has lasted for too long. Infinity: there is none.

        `have_all_failed` is whether no id remains that has not failed.
        """
        if not self.is_open:
            return math.inf
        most = self._deadline
        if not self._has_met_more_than_pages:
            most = min(most, _PAGES_ALONE)
        ends_at = self.failures[0].waited + most
        if have_all_failed and self.may_be_ids_own:
            ends_at = min(ends_at, self._alone_since + _LONGEST_ALONE)
        return ends_at - waited

    def longest_timeout(self, waited: float) -> float:
        """Return the seconds that the next request may take: a probe ends before the outage does.

        After silence it has half of them, so that the next one still has time.
        """
        left = self.ends_in(waited)
        if self.is_open and isinstance(self.failures[-1].error.__cause__, TimedOutError):
            left /= 2
        return max(_SHORTEST_TIMEOUT, left)

    def end_error(self, waited: float) -> RunEndedError:
        """Return the error of a run that an outage has ended."""
        lasted = waited - self.failures[0].waited
        wait = getattr(self.failures[-1].error, "retry_after", None)
        if not self._has_met_more_than_pages:
            message = f"in {lasted:.0f} s, nothing from the service yet: check the address"
            return RunEndedError(message, reason="address", lasted=lasted, retry_after=wait)
        message = f"the service has been away for {lasted:.0f} s"
        return RunEndedError(message, reason="outage", lasted=lasted, retry_after=wait)

    def note_failure(
        self, job: Job, failed: Failed, *, waited: float, oldest_sent_at: float, takes_ids: bool
    ) -> bool:
        """Note a failure, and return whether an outage begins with it.

        `oldest_sent_at` is of the requests that are still in flight, and `takes_ids` is whether
        there may be ids that the run has not taken yet.
        """
        error, was_open = failed.error, self.is_open
        if getattr(error.__cause__, "stale", False):
            return False  # The next connection is a new one.
        if getattr(error, "status", None) != 409:
            self._count(
                job, failed, waited=waited, oldest_sent_at=oldest_sent_at, takes_ids=takes_ids
            )
        begins = self.is_open and not was_open
        if begins:
            self._schedule_probe(job, error)
        self.note_if_probe(job, error)
        return begins

    def note_if_probe(self, job: Job, error: DeleteSessionError) -> None:
        """Note a half-open probe that failed, even if that was no failure of the service."""
        if job is self.probe:
            self._failed_probes += 1
            self._schedule_probe(job, error)

    def _schedule_probe(self, job: Job, error: DeleteSessionError) -> None:
        retry_after = getattr(error, "retry_after", None) or 0.0
        backoff = self._backoff(self._failed_probes + 1)
        self.next_probe_at = job.landed_at + max(backoff, retry_after)

    def _count(
        self, job: Job, failed: Failed, *, waited: float, oldest_sent_at: float, takes_ids: bool
    ) -> None:
        """Count a failure, unless it is the id's own. Open the breaker, or close it, if due."""
        error = failed.error
        if job.failing_since is None:
            job.failing_since = job.sent_at
            self._alone_since = waited
        if error.is_spoken and self.is_open:
            self._drop_unspoken(job.sent_at, waited)
        # Once the service has responded since an id failed first, its failures are its own. A
        # gateway's page may show an outage all the same, as long as ids come that can tell.
        has_responded_since = job.failing_since <= self._served_at
        shows_outage = not (has_responded_since and (error.is_spoken or not takes_ids))
        if shows_outage and job.sent_at > self._served_at:
            if isinstance(error, ServiceUnavailableError | UnreachableError):
                self._has_met_more_than_pages = True
            self.failures.append(Failure(error, job.sent_at, job.landed_at, waited))
            # What was in flight when the first failure landed has landed, too.
            rest_has_landed = oldest_sent_at > self.failures[0].landed_at
            is_shown = self._count_failing_ids() > 1 and (rest_has_landed or failed.is_last)
            # The others hang: they hold all places, and no other id can fail.
            is_alone = takes_ids and not (rest_has_landed or has_responded_since)
            is_given_up = failed.is_last and job.requests > 1 and not error.is_spoken
            if (is_shown or (is_alone and is_given_up)) and not self.is_open:
                self.is_open = self._is_of_one_id = True
                self._alone_since = waited
            self._is_of_one_id = self._is_of_one_id and self._count_failing_ids() == 1
        self._close_if_refuted()

    def note_response(self, *, sent_at: float) -> None:
        """Note that the service itself responded to a request that was sent then."""
        self._has_met_more_than_pages = True
        self._served_at = max(self._served_at, sent_at)
        if self._is_of_one_id:
            self.failures = []  # What a single id shows counts as long as nothing else comes.
        self.failures = [one for one in self.failures if one.sent_at > self._served_at]
        self._close_if_refuted()

    def _drop_unspoken(self, sent_at: float, waited: float) -> None:
        """Stop counting pages and silence that came before a failure in the service's own words.

        The service is there again. All ids that are held may fail for ever: without this rule, no
        other id would ever be a probe, and the breaker would stay open until the run ends.
        """
        still = [one for one in self.failures if one.error.is_spoken or one.sent_at > sent_at]
        if len(still) < len(self.failures):
            self.failures = still
            self._alone_since = waited

    def _close_if_refuted(self) -> None:
        """Close it once no failure counts any more."""
        if not self.failures:
            self.is_open = self._is_of_one_id = False
            self.probe = None
            self._failed_probes = 0

    def _count_failing_ids(self) -> int:
        return len({failure.error.session_id for failure in self.failures})
