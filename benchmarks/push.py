"""The CPU time to decode an encrypted push, by shape of the reports, beside other decoders."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from statistics import median
from typing import Annotated, Any, Final

import attrs
import cattrs
import pydantic

from benchmarks.extras import FAST, having
from benchmarks.findings import Finding, Plot, Reach, Table, seconds
from benchmarks.measuring import interleaved, ratio
from benchmarks.samples import LONG, SECRET_KEY, SHAPES, written
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, call_state
from emay_voice_async.push import decode_push, decrypt, gunzip
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt

__all__ = ["measure"]

OURS = "this client"
OURS_FAST = "this client [fast]"
CATTRS = "default cattrs"
CATTRS_RAW = "default cattrs, raw values"
PYDANTIC = "pydantic"
DECODERS: Final = (OURS, OURS_FAST, CATTRS, CATTRS_RAW, PYDANTIC)
EXAMPLE: Final = "the example of 2.1.2.2"
_BEYOND: Final = frozenset({"callType", "extra"})
_REASON: Final = (
    "json.loads and the making of an object with 13 fields are the bound; recordings add base64. Tried: columns in"
    " place of rows, hooks that cattrs generates, msgspec making the times (it reads other texts than"
    " datetime.fromisoformat), the minutes of times from a dict (a new time in one step is faster), orjson (an integer"
    " above 64 bits becomes a float, and an id may come as one)."
)


def _kinds(entries: list[dict[str, Any]]) -> dict[str, tuple[Any, bool]]:
    """Tell the type of each field of a shape, and whether an entry can lack the field."""
    kinds: dict[str, tuple[Any, bool]] = {}
    for name in dict.fromkeys(name for entry in entries for name in entry if name not in _BEYOND):
        values = [entry.get(name) for entry in entries]
        found = {type(value) for value in values}
        kind: Any = next((kind for kind in (str, int) if kind in found), str)
        if name == "state":
            kind = CallState
        elif name in ("callingTime", "callingDuration"):
            kind = datetime if name == "callingTime" else float
        elif name == "voiceSign" and any(values):
            kind = bytes
        kinds[name] = (
            kind | None if type(None) in found else kind,
            any(name not in entry for entry in entries),
        )
    return kinds


def _state(text: str) -> CallState:
    return call_state(text.strip())


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=BEIJING)


def _time(text: str) -> datetime:
    return _aware(datetime.fromisoformat(text))


_READERS: Final[dict[Any, Callable[[str], object]]] = {
    CallState: _state,
    datetime: _time,
    bytes: b64decode,
}
"""The hooks that a user of cattrs writes for the values that JSON does not have."""
_RAW: Final[dict[Any, Callable[[str], object]]] = {
    CallState: str,
    datetime: datetime.fromisoformat,
    bytes: b64decode,
}
"""The same without the work: states as they come, with blanks, and naive times."""


def _hook(read: Callable[[str], object]) -> Callable[[Any, Any], object]:
    def hook(value: Any, _: Any) -> object:
        return value if value is None else read(value)

    return hook


def _cattrs_decoder(
    entries: list[dict[str, Any]], readers: Mapping[Any, Callable[[str], object]]
) -> Callable[[bytes], object]:
    """Make the decoder of a user who knows the shape: a frozen class with just these fields."""
    fields = {
        name: attrs.field(type=kind, kw_only=True, default=None if can_lack else attrs.NOTHING)
        for name, (kind, can_lack) in _kinds(entries).items()
    }
    report: Any = attrs.make_class("Report", fields, frozen=True, slots=True)
    converter = cattrs.Converter()
    for kind, read in readers.items():
        converter.register_structure_hook(kind, _hook(read))
        converter.register_structure_hook(kind | None, _hook(read))
    return lambda data: converter.structure(json.loads(data)["data"], list[report])


_PYDANTIC_KINDS: Final[dict[Any, Any]] = {
    CallState: Annotated[CallState, pydantic.BeforeValidator(_state)],
    datetime: Annotated[datetime, pydantic.AfterValidator(_aware)],
    datetime | None: Annotated[datetime, pydantic.AfterValidator(_aware)] | None,
    bytes: pydantic.Base64Bytes,
    bytes | None: pydantic.Base64Bytes | None,
}


def _pydantic_decoder(entries: list[dict[str, Any]]) -> Callable[[bytes], object]:
    fields: dict[str, Any] = {
        name: (_PYDANTIC_KINDS.get(kind, kind), None if can_lack else ...)
        for name, (kind, can_lack) in _kinds(entries).items()
    }
    report = pydantic.create_model("Report", __config__={"coerce_numbers_to_str": True}, **fields)
    page = pydantic.create_model("Page", data=(list[report], ...))  # type: ignore[valid-type]
    decode: Callable[[bytes], object] = page.model_validate_json
    return decode


def _contestants(shape: str, number: int, each: int) -> dict[str, Callable[[], object]]:
    """Make the decoders of one shape; all open the push in the same way."""
    entries = [SHAPES[shape](place) for place in range(number)]
    body = encrypt(compress(written(entries)), SECRET_KEY)

    def repeated(decode: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(each):
                decode()

        return run

    def opened(decode: Callable[[bytes], object]) -> Callable[[], None]:
        return repeated(lambda: decode(gunzip(decrypt(body, SECRET_KEY))))

    return {
        OURS: having(repeated(lambda: decode_push(body, SECRET_KEY))),
        OURS_FAST: having(repeated(lambda: decode_push(body, SECRET_KEY)), *FAST),
        CATTRS: opened(_cattrs_decoder(entries, _READERS)),
        CATTRS_RAW: opened(_cattrs_decoder(entries, _RAW)),
        PYDANTIC: opened(_pydantic_decoder(entries)),
    }


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return what was found."""
    number, each, rounds = (100, 1, 3) if quick else (1000, 3, 15)
    found = {
        shape: asyncio.run(interleaved(_contestants(shape, number, each), rounds=rounds, each=each))
        for shape in SHAPES
    }
    ratios = {
        (shape, ours, other): ratio(samples[ours], samples[other])
        for shape, samples in found.items()
        for ours in (OURS, OURS_FAST)
        for other in (CATTRS, CATTRS_RAW, PYDANTIC)
    }
    costs = {
        ours: {shape: median(samples[ours]) for shape, samples in found.items()} for ours in (OURS, OURS_FAST)
    }
    pairs = [(ours, other) for other in (CATTRS, CATTRS_RAW, PYDANTIC) for ours in (OURS, OURS_FAST)]

    def worst(ours: str, other: str) -> float:
        return max(ratios[shape, ours, other].middle for shape in SHAPES)

    def spread(ours: str) -> float:
        usual = [cost for shape, cost in costs[ours].items() if shape not in LONG]
        return max(usual) / min(usual)

    return Finding(
        name="push",
        title=f"What does an encrypted push of {number:,} reports cost?",
        meaning=(
            "A push of 1,000 reports takes a few milliseconds of CPU whatever shape the service gives it, without a"
            " shape that is a cliff."
        ),
        text=(
            f"CPU time to decode an encrypted push of {number:,} reports, by shape. All decoders decrypt and inflate"
            " with the same functions, and make the same values: listed states, times in Beijing's zone, recordings"
            f' as bytes; "{CATTRS_RAW}" leaves states as they come and times without a zone. The peers know the'
            " shape and read the names of the wire; this client reads each shape."
        ),
        tables=[
            Table(
                ("shape", *DECODERS, *(f"{ours} / {other}" for ours, other in pairs)),
                [
                    (
                        shape,
                        *(seconds(median(samples[name])) for name in DECODERS),
                        *(f"{ratios[shape, ours, other].middle:.2f}" for ours, other in pairs),
                    )
                    for shape, samples in sorted(found.items(), key=lambda item: -median(item[1][OURS]))
                ],
                "The dearest shape first:",
            )
        ],
        reaches=[
            Reach("the worst shape / default cattrs", 0.75, worst(OURS, CATTRS), _REASON),
            Reach("the worst shape with [fast] / default cattrs", 0.45, worst(OURS_FAST, CATTRS), _REASON),
            Reach("the dearest shape but the two long ones / the cheapest", 1.6, spread(OURS), _REASON),
            Reach("the same with [fast]", 1.6, spread(OURS_FAST), _REASON),
            Reach(f"{EXAMPLE} / pydantic", 2.0, ratios[EXAMPLE, OURS, PYDANTIC].middle, _REASON),
            Reach("the same with [fast]", 1.0, ratios[EXAMPLE, OURS_FAST, PYDANTIC].middle, _REASON),
        ],
        plots=[
            Plot(
                f"CPU to decode an encrypted push of {number:,} reports",
                "ms",
                {name: [1e3 * median(samples[name]) for samples in found.values()] for name in DECODERS},
                list(SHAPES),
            )
        ],
    )
