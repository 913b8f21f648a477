"""The recipes of the guide, and the output of each."""

import contextlib
import io
import json
import logging
from pathlib import Path

import docutils.nodes
import pytest
from docutils.core import publish_doctree

from emay_voice_async.sandbox import Sandbox

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "observability.rst"


def printed_by(mark: str) -> str:
    """Run the example that contains ``mark``; return the output."""
    settings = {"report_level": 5, "halt_level": 5}
    page = publish_doctree(GUIDE.read_text("utf-8"), settings_overrides=settings)
    blocks = [block.astext() for block in page.findall(docutils.nodes.literal_block)]
    [example] = [block for block in blocks if mark in block and "import asyncio" in block]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        exec(compile(example, "example", "exec"), {"__name__": "example"})  # noqa: S102
    return output.getvalue()


def test_events(service: Sandbox) -> None:
    """The handler counts the accepted numbers."""
    assert printed_by("numbers = Counter()") == "2 accepted\n"


def test_log_records(service: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is JSON with the fields of an event; the lines of a request have one id."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        lines = printed_by("JsonLines").splitlines()
    finally:
        root.setLevel(level)
    found = [json.loads(line) for line in lines if line.startswith("{")]
    events = [line for line in found if "emay_event" in line]
    assert [line["emay_event"] for line in events] == ["SlotWaited", "RequestSent", "RequestAnswered"]
    assert len({line["emay_request_id"] for line in events}) == 1
    assert events[-1]["emay_status"] == 200


def test_prometheus(service: Sandbox) -> None:
    """Prometheus gets the counters, histograms and gauges under the names of the guide."""
    lines = printed_by("PrometheusMetricReader").splitlines()

    def value(name: str, *labels: str) -> float:
        [found] = [
            line for line in lines if line.startswith(f"{name}{{") and all(one in line for one in labels)
        ]
        return float(found.rpartition(" ")[2])

    assert value("emay_voice_numbers_total", 'emay_voice_outcome="accepted"') == 2
    assert value("emay_voice_rate_limit", 'emay_voice_call="send"') == 10
    assert value("emay_voice_slots_in_use", 'emay_voice_call="send"') == 1
    assert value("emay_voice_slot_wait_seconds_count", 'emay_voice_call="send"') == 1
    assert value("emay_voice_request_duration_seconds_bucket", 'le="3600.0"') == 1
    for name in ("emay_voice_numbers_total", "emay_voice_slots_in_use", "emay_voice_rate_limit"):
        assert name in GUIDE.read_text("utf-8")
