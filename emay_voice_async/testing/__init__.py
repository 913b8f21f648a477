"""Tools for tests: conformance suites for a pacer, a journal or a report store of your own; and the pytest plugin.

A suite is a class of rules. Subclass it as ``Test...`` in a test module, and give its one factory method; pytest and
unittest find the rules. Each rule runs in an event loop of its own, so that no plugin for asyncio is needed. A rule
that does not hold raises :class:`BrokenRuleError` with its name and its sentence.
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from emay_voice_async.testing.journal.places import JournalPlace
    from emay_voice_async.testing.journal.suite import JournalSuite
    from emay_voice_async.testing.pacing.suite import PacerSuite
    from emay_voice_async.testing.report_store import ReportStoreSuite
    from emay_voice_async.testing.rules import BrokenRuleError

__all__ = ["BrokenRuleError", "JournalPlace", "JournalSuite", "PacerSuite", "ReportStoreSuite"]

_HOMES = {
    "BrokenRuleError": "rules",
    "JournalPlace": "journal.places",
    "JournalSuite": "journal.suite",
    "PacerSuite": "pacing.suite",
    "ReportStoreSuite": "report_store",
}


def __getattr__(name: str) -> _typing.Any:
    """Import a name at the first use: pytest imports this package in every run for the plugin in it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
