"""The rate limit: pacers that grant a lease for each request."""

from emay_voice_async.pacing.local import Lease, LocalPacer, Pacer

__all__ = ["Lease", "LocalPacer", "Pacer"]
