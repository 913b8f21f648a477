"""The conformance suite of a pacer."""

from emay_voice_async.testing.pacing.limits import LimitRules
from emay_voice_async.testing.pacing.waiters import WaiterRules

__all__ = ["PacerSuite"]


class PacerSuite(LimitRules, WaiterRules):
    """The promises of :mod:`emay_voice_async.pacing.protocol`, each as a rule.

    ::

        class TestMyPacer(PacerSuite):
            @asynccontextmanager
            async def pacers(self, limits):
                account = new_account()
                yield lambda: MyPacer(account, limits)

    ``period``: the period of the limits, in seconds. ``patience``: seconds that a rule may take.
    """
