"""What decoding an encrypted push of 1,000 reports costs, against what else decodes JSON to types."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
import cattrs
import msgspec
import pydantic

from benchmarks.extras import FAST, having
from benchmarks.findings import Finding, Plot, Reach, compared
from benchmarks.measuring import interleaved
from benchmarks.samples import SECRET_KEY, report_page
from emay_voice_async.push import decode_push, decrypt, gunzip
from emay_voice_async.wire.encryption import compress, encrypt

__all__ = ["measure"]

OURS = "emay_voice_async"
OURS_FAST = "emay_voice_async[fast]"
OPENED = "AES and gunzip alone"
DICTS = "json, dicts"
CATTRS = "json, default cattrs, frozen attrs class"
PYDANTIC = "pydantic"
MSGSPEC = "msgspec"

_TRIED = (
    (
        "json.loads alone takes more than 0.45 of what default cattrs does with it, and about as long as all that"
        " pydantic does, so that without msgspec nothing in Python can reach either. With msgspec the entries are read"
        " straight to rows of values, without a dict for each."
    ),
    (
        "Done: reports filled in one loop that sees at once what a value nearly always is (a third of the time of"
        " filling each by itself), all fields of a report taken in one call, objects frozen after they were filled,"
        " no datetime.replace (it takes six times as long as adding)."
    ),
    (
        "Tried and left: hooks that cattrs generates (four times as long); whole columns instead of rows (no faster);"
        " msgspec making the times (it reads other texts than datetime.fromisoformat does); orjson (as fast as msgspec,"
        " but an integer above 64 bits becomes a float, and an id may come as one); isal for inflating (about 5 % of"
        " a push, for other errors in other places)."
    ),
)
_FIELDS: dict[str, Any] = {
    "appId": str,
    "voiceId": str,
    "customVoiceId": str,
    "mobile": str,
    "callingTime": datetime | None,
    "callingDuration": float,
    "message": str,
    "state": str,
    "keyContent": int | None,
    "voiceSign": bytes | None,
}
AttrsReport = attrs.make_class(
    "AttrsReport", {name: attrs.field(type=kind) for name, kind in _FIELDS.items()}, frozen=True, slots=True
)
PydanticReport = pydantic.create_model(
    "PydanticReport", **{name: (kind, ...) for name, kind in _FIELDS.items()}
)
MsgspecReport = msgspec.defstruct("MsgspecReport", list(_FIELDS.items()))


def _contestants(body: bytes) -> dict[str, Callable[[], object]]:
    """Make the decoders: each one opens the push in the same way."""
    converter = cattrs.Converter()
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_structure_hook(
        datetime | None, lambda value, _: value and datetime.fromisoformat(value)
    )
    model = pydantic.create_model("Page", data=(list[PydanticReport], ...))  # type: ignore[valid-type]
    struct = msgspec.defstruct("Page", [("data", list[MsgspecReport])])  # type: ignore[valid-type]
    decoder = msgspec.json.Decoder(struct)

    def opened() -> bytes:
        return gunzip(decrypt(body, SECRET_KEY))

    return {
        OURS: lambda: decode_push(body, SECRET_KEY),
        CATTRS: lambda: converter.structure(json.loads(opened())["data"], list[AttrsReport]),  # type: ignore[valid-type]
        PYDANTIC: lambda: model.model_validate_json(opened()),
        MSGSPEC: lambda: decoder.decode(opened()),
        DICTS: lambda: json.loads(opened()),
        OPENED: opened,
    }


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return what was found."""
    number, each = (100, 1) if quick else (1000, 5)
    body = encrypt(compress(report_page(number)), SECRET_KEY)

    def repeated(decode: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(each):
                decode()

        return run

    decoders = _contestants(body)
    contestants: dict[str, Callable[[], object]] = {
        OURS: having(repeated(decoders.pop(OURS))),
        OURS_FAST: having(repeated(lambda: decode_push(body, SECRET_KEY)), *FAST),
        **{name: repeated(decode) for name, decode in decoders.items()},
    }
    samples = asyncio.run(interleaved(contestants, rounds=3 if quick else 41, each=each))
    rows, ratios = compared(samples, [CATTRS, PYDANTIC])
    return Finding(
        name="push",
        title=f"An encrypted push of {number:,} reports",
        text=(
            f"CPU time to decode an encrypted push of {number:,} reports with every field of the document. All"
            " decrypt and inflate with the same functions. The peers read the wire's names and exactly the kinds"
            " that this sample has; the SDK also reads what the service sends besides (numbers for texts, blanks"
            " around states, two products), gives times in Beijing's zone, and keeps the good reports next to"
            " broken ones."
        ),
        header=("decoder", "CPU", "/ default cattrs", "/ pydantic"),
        rows=rows,
        reaches=[
            Reach("the SDK / default cattrs", 0.45, ratios[OURS, CATTRS].middle),
            Reach("the SDK with its extra ``fast`` / default cattrs", 0.45, ratios[OURS_FAST, CATTRS].middle),
            Reach("the SDK / pydantic", 1.5, ratios[OURS, PYDANTIC].middle),
            Reach("the SDK with its extra ``fast`` / pydantic", 1.0, ratios[OURS_FAST, PYDANTIC].middle),
        ],
        plots=[
            Plot(
                f"CPU to decode an encrypted push of {number:,} reports",
                "ms",
                {"": [1e3 * sorted(found)[len(found) // 2] for found in samples.values()]},
                list(samples),
            )
        ],
        notes=[*_TRIED, f"The push has {len(body):,} bytes, inflated {len(report_page(number)):,}."],
    )
