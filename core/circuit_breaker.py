"""The circuit breaker of a run: whether the service is away, and when a request may find out. Pure.

Closed, it stops nothing. Open, it lets one request go at a time: a half-open probe. It closes when
the service itself responds. Times are in seconds on the transport's clock; only how long an outage
has lasted is counted in seconds in which the run was asked: `asked`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .conversation import Failed
from .errors import DeleteSessionError, ServiceUnavailableError, UnreachableError
from .job import Job

_PAGES_ALONE = 30.0
"""Seconds. A run that has met the pages of others alone for so long has a wrong address."""
_MOST_BY_THEMSELVES = 20
"""If more ids than these fail in a row, the service is away, even if it says so itself."""
_LAST_PROBES = 40.0
"""Seconds. For so long the last ids of a run are probed before their failures are their own."""
_A_ROUNDING = 0.001
"""Seconds. Sums of floats are not exact."""


class Failure(NamedTuple):
    """An attempt that may show an outage."""

    error: DeleteSessionError
    sent_at: float
    landed_at: float
    asked: float


class CircuitBreaker:
    """Says whether the service is away, from the attempts that failed with what a retry may mend.

    - A failure counts until the service itself responds to a request that was sent later, or at
      the same time. The page of a gateway is no such response, but a failure. A conflict, and a
      kept connection that had ended, show nothing.
    - The breaker opens if the failures of two ids count, and if all that was in flight at the first
      failure has failed as well, or if an id would be given up otherwise.
    - Half-open probes go one at a time. The policy's backoff lies between two of them, or what the
      service asks for, if that is longer. Each is for another id.
    - It closes when a response has refuted the last failure that counts. A failure in the service's
      own words refutes those that are not: the service is there again, even if it fails.

    A failure in the service's own words can be the service's, or that of one id, which then fails
    for ever: it is not a UUID, for instance. So, if all failures that count are in its own words:

    - An id that failed before and after a response of the service fails by itself.
    - Half-open probes after the first one are for ids that were never sent, up to twenty: a good
      one shows that the service is there. The first is for one that may have failed for a moment.
    - If there is none any more, those that failed are probed for 40 seconds. Then the breaker
      closes, and each of them fails by itself.

    More than twenty ids in a row that fail look like an outage. Nothing can tell the two apart.
    """

    def __init__(self, backoff: Callable[[int], float], deadline: float) -> None:
        self.is_open: bool = False  #: whether the service is away
        self.next_probe_at: float = -math.inf  #: once it is open
        self.is_met_by_pages_alone: bool = True  #: those of others, and nothing else at all
        self.failures: list[Failure] = []  #: those that count
        self._backoff = backoff
        self._deadline = deadline
        self._probes = 0  # that failed, and the failure that opened it
        self._served_at = -math.inf  # when what the service itself responded to last was sent
        self._fail_by_themselves = False  # the last ids of the run, in the service's own words

    @property
    def may_be_ids_own(self) -> bool:
        """Whether it is open for failures that can still be those of single ids."""
        are_spoken = all(failure.error.is_spoken for failure in self.failures)
        return self.is_open and are_spoken and len(self._failing_since()) <= _MOST_BY_THEMSELVES

    @property
    def has_probed(self) -> bool:
        """Whether a half-open probe has failed since it opened."""
        return self._probes > 1

    def is_probe(self, sent_at: float) -> bool:
        """Say whether a request that was sent then is the half-open probe."""
        return self.is_open and sent_at >= self.next_probe_at

    def ends_run_in(self, asked: float) -> float:
        """Return the seconds until an outage has lasted for longer than the policy's deadline."""
        if not self.is_open:
            return math.inf
        most = _PAGES_ALONE if self.is_met_by_pages_alone else math.inf
        return _rounded(min(self._deadline, most) - (asked - self.failures[0].asked))

    def is_ids_own_in(self, asked: float) -> float:
        """Return the seconds until the last ids were probed for long enough."""
        newest = max(self._failing_since().values())
        return min(_rounded(newest + _LAST_PROBES - asked), self.ends_run_in(asked))

    def note_failure(
        self, job: Job, failed: Failed, *, asked: float, oldest: float, takes_ids: bool
    ) -> bool:
        """Note a failure, and return whether an outage begins with it.

        `oldest` is when the oldest request that is still in flight was sent, and `takes_ids` is
        whether there may be ids that the run has not taken yet.
        """
        error, begins = failed.error, False
        if getattr(error, "status", None) == 409 or getattr(error.__cause__, "stale", False):
            return False
        if job.failing_since is None:
            job.failing_since = job.sent_at
        if error.is_spoken and self.is_open:
            # The service is there again. All ids that are held may fail for ever: without this, no
            # other id would ever be a probe, and the outage would never end.
            self.failures = [
                one for one in self.failures if one.error.is_spoken or one.sent_at > job.sent_at
            ]
        if job.sent_at > self._served_at and not self._is_ids_own(job, error, takes_ids=takes_ids):
            if isinstance(error, ServiceUnavailableError | UnreachableError):
                self.is_met_by_pages_alone = False
            self.failures.append(Failure(error, job.sent_at, job.landed_at, asked))
            have_all_failed = oldest > self.failures[0].landed_at
            is_shown = len(self._failing_since()) > 1 and (have_all_failed or failed.is_last)
            begins = is_shown and not self.is_open
            self.is_open = self.is_open or begins
        if self.is_open and not self.failures:
            self._close()
        if begins or self.is_probe(job.sent_at):
            self._probes += 1
            told = getattr(error, "retry_after", None) or 0.0
            pause = max(self._backoff(self._probes), told)
            self.next_probe_at = job.landed_at + min(pause, self.ends_run_in(asked))
        return begins

    def note_response(self, *, sent_at: float) -> None:
        """Note that the service itself responded to a request that was sent then."""
        self.is_met_by_pages_alone = False
        self._served_at = max(self._served_at, sent_at)
        self.failures = [one for one in self.failures if one.sent_at > self._served_at]
        if not self.failures:
            self._close()

    def note_ids_fail_by_themselves(self) -> None:
        """Note that the last ids were probed for long enough. Their failures count no more."""
        self._fail_by_themselves = True
        self._close()

    def _is_ids_own(self, job: Job, error: DeleteSessionError, *, takes_ids: bool) -> bool:
        """Say whether a failure shows no outage, but something of this id or its request."""
        if job.timeout < job.send.timeout and isinstance(error, UnreachableError):
            return True  # The run's end would have cut a good response short, too.
        # The service has responded since it failed first.
        has_failed_before = job.failing_since is not None and job.failing_since <= self._served_at
        if error.is_spoken:
            return has_failed_before or self._fail_by_themselves
        # A gateway may report the failure, and the next ids will show it. If there are none, it is
        # the id's own as far as anybody can know.
        return has_failed_before and not takes_ids

    def _failing_since(self) -> dict[str, float]:
        """Return each id whose failures count, with `asked` at the first of them."""
        return {one.error.session_id: one.asked for one in reversed(self.failures)}

    def _close(self) -> None:
        self.is_open, self._probes = False, 0
        self.failures = []


def _rounded(seconds: float) -> float:
    return 0.0 if seconds < _A_ROUNDING else seconds
