"""The cost of a template: rendering for each number, and the memory of any number of different texts."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.samples import mobiles
from emay_voice_async import Notice, OnKey, Recipient, Template, VoiceSms
from emay_voice_async.sending.batches import Batcher
from emay_voice_async.sending.gathering import gatherer
from emay_voice_async.sending.reading import RecipientReader

__all__ = ["measure"]

MOST_SECONDS: Final = 3e-6
"""For rendering the texts of a number."""
NUMBERS: Final = 2_000
SIZES: Final = (100_000, 1_000_000)
QUICK_SIZES: Final = (1_000, 10_000)
ROUNDS: Final = 31

ONE: Final = Template(Notice, "尊敬的{name}，您的快递已到，请尽快领取。")
THREE: Final = Template(Notice, "尊敬的{name}，您的订单{order}金额{amount}元，请尽快处理。")
FOUR: Final = Template(
    VoiceSms,
    "尊敬的{name}，您的订单{order}金额{amount}元。",
    interactive_content="{name}请按1",
    voicemail_content="{name}请留言",
    sms_content="{name}订单{order}",
    trigger=OnKey("1"),
)


def _people(wide: str = "") -> list[Recipient]:
    return [
        Recipient(mobile, fields={"name": f"张{wide}三", "order": f"SO-{place:08}", "amount": f"{place}.50"})
        for place, mobile in enumerate(mobiles(NUMBERS))
    ]


def _seconds_each(fill: Callable[[Any], object], people: list[Recipient], rounds: int) -> float:
    """Return the CPU seconds for each number: the median of the rounds."""
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        for one in people:
            fill(one.fields)
        found.append((time.thread_time() - began) / len(people))
    return median(found)


def _by_hand(fields: dict[str, str]) -> Notice:
    return Notice(THREE.content.format_map(fields))


def batch_once(number: int) -> None:
    """Gather a stream with a different text for each number; print the peak memory of this process and the CPU time."""

    def people() -> Iterator[Recipient]:
        for place in range(number):
            yield Recipient(
                f"1{3_000_000_000 + place}", fields={"name": f"客户{place}", "order": f"SO-{place}"}
            )

    async def run() -> None:
        template = Template(Notice, "尊敬的{name}，您的订单{order}已发出，请留意查收。")
        reader = RecipientReader(people(), 500, template=template)
        batcher = Batcher(reader, gatherer(template, 500, None), None)
        made = 0
        while await batcher.read() is not None:
            made += 1
        assert made == number  # noqa: S101

    began = time.process_time()
    asyncio.run(run())
    status = Path("/proc/self/status").read_text("ascii")
    print(1024 * int(status.partition("VmHWM:")[2].split()[0]), time.process_time() - began)


def _batched(number: int) -> tuple[float, float]:
    """Gather a stream in a fresh process; return the peak memory in bytes, and the CPU seconds for each number."""
    code = f"import benchmarks.templates as t; t.batch_once({number})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    peak, whole = map(float, done.stdout.split())
    return peak, whole / number


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the tables, the goals and the plot."""
    rounds = 3 if quick else ROUNDS
    people = _people()
    rendering = {
        "one field": _seconds_each(ONE.texts, people, rounds),
        "three fields": _seconds_each(THREE.texts, people, rounds),
        "three fields, one with an ideographic space": _seconds_each(THREE.texts, _people("\u3000"), rounds),
        "four texts of a voice SMS": _seconds_each(FOUR.texts, people, rounds),
        "three fields by hand: Notice(text.format_map(fields))": _seconds_each(_by_hand, people, rounds),
    }
    sizes = QUICK_SIZES if quick else SIZES
    nothing, _ = _batched(1)
    batched = {number: _batched(number) for number in sizes}
    return Finding(
        name="templates",
        title="What does a template cost?",
        meaning="Other words for each person cost a few microseconds a number, and no memory that grows.",
        text=(
            "CPU time for filling and checking the texts of a number, and for reading, checking and gathering a stream"
            " in which each number has another text; peak memory of a process that gathers such a stream, beyond that"
            " of a process that gathers one number."
        ),
        tables=[
            Table(
                ("rendering", "for each number"),
                [(name, f"{1e6 * found:.2f} us") for name, found in rendering.items()],
            ),
            Table(
                ("different texts", "for each number", "peak memory"),
                [
                    (f"{number:,}", f"{1e6 * each:.1f} us", f"{(peak - nothing) / 2**20:.0f} MiB")
                    for number, (peak, each) in batched.items()
                ],
            ),
        ],
        reaches=[
            *(
                Reach(f"rendering {name}, us", 1e6 * MOST_SECONDS, 1e6 * found)
                for name, found in rendering.items()
                if "by hand" not in name
            ),
            Reach(
                f"peak memory of {sizes[1]:,} texts, against {sizes[0]:,}",
                1.1 if not quick else 2.0,
                batched[sizes[1]][0] / batched[sizes[0]][0],
            ),
        ],
        plots=[
            Plot(
                "Rendering the texts of a number",
                "us",
                {"": [1e6 * found for found in rendering.values()]},
                list(rendering),
            )
        ],
    )
