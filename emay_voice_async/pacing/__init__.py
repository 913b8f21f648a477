"""The rate limit: pacers that grant a lease for each request."""

from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease, Pacer

__all__ = ["Lease", "LocalPacer", "Pacer"]
