"""The fork urllib3-future, which installs itself under urllib3's name wherever niquests is.

`Urllib3Transport` works with it, but cannot read responses as strictly: the fork has its own
connections. A `RuntimeWarning` says so, once for each place that makes a transport.
"""

import re
import warnings

from urllib3 import __version__  # type: ignore[attr-defined]  # not in its __all__

IS_URLLIB3_FUTURE = re.match(r"\d+\.\d+\.9\d\d", __version__) is not None
"""Whether the fork stands in urllib3's place. The third part of its version says so."""

_WARNING = f"""urllib3-future {__version__} stands in urllib3's place. These promises do not hold: \
a timeout ends a call whose response drips or has no end; a large response is refused without \
being held; a response in doubtful framing is refused; a failed TLS handshake counts as "nothing \
was sent". What is said of a session stays true or errs towards "unknown". Install urllib3 itself \
(pip install --force-reinstall urllib3), or use AsyncioTransport"""


def warn_of_urllib3_future() -> None:
    """Warn whoever makes a transport, if the fork stands in urllib3's place."""
    if IS_URLLIB3_FUTURE:
        warnings.warn(_WARNING, RuntimeWarning, stacklevel=4)
