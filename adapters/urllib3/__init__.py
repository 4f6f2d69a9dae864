"""The default transport: urllib3, kept strict."""

from .transport import Urllib3Transport

__all__ = ["Urllib3Transport"]
