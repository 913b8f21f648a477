"""The magic numbers: the last four digits of a mobile number decide the outcome of the call.

========  ==========================================================================
digits    outcome
========  ==========================================================================
0001      FAIL_CALL
0002      FAIL_ERROR_VOICE
0003      FAIL_UNKNOWN
0004      TIMEOUT
0005      FAIL_NEEDMORE_BALANCE
0006      FAIL_MOBILE
0007      FAIL_BLACKDICTIONARY
0008      FAIL_AUDITINGFAIL
0009      FAIL_APPID
0010      SUCCESS, the person pressed 1 and left a recording
0011      SUCCESS, the person pressed 2
0012      a state that the API document does not list
0013      no report ever comes
others    SUCCESS, answered for 68.02 seconds; or as :class:`Callees` say
========  ==========================================================================

A voice SMS has three states only: 4 for SUCCESS, 3 for TIMEOUT, 2 for every failure. Two rules come
before the table: content with the word 黑词 ends in FAIL_BLACKDICTIONARY for all numbers, and a text
that is no mobile number ends in FAIL_MOBILE.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from emay_voice_async.model.codes import JOIN_MEANINGS, VOICE_STATES

__all__ = [
    "ANSWERED",
    "BLACK_WORD",
    "KEYS",
    "MAGIC_NUMBERS",
    "MOBILE",
    "Callees",
    "Outcome",
    "listed_outcome",
    "outcome_of",
]

BLACK_WORD: Final = "黑词"
"""Content with this word is accepted, and the report says FAIL_BLACKDICTIONARY."""
MOBILE: Final = re.compile(r"1[0-9]{10}")
"""A whole mobile number."""
KEYS: Final = frozenset("0123456789")
"""The keys that a report can name."""

# A whole WAV file: 8 kHz, 8 bits, mono, 8 samples, with bytes above 127, which are negative in Java.
_RECORDING: Final = (
    b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
    b"data\x08\x00\x00\x00\x80\xbf\xff\xbf\x80\x40\x00\x40"
)
_TALK: Final = 68.02
_RANG: Final = {"SUCCESS": _TALK, "FAIL_CALL": 0.0, "FAIL_UNKNOWN": 0.0, "TIMEOUT": 0.0}
"""Seconds of a call by state; in the other states no phone rang."""
_ROUNDING: Final = 1e-9
_GOLDEN: Final = 0.618_033_988_749_894_9
"""The golden ratio: multiples of it, without their whole part, are spread evenly over 0 to 1."""
_JOIN_STATES: Final = {"SUCCESS": "4", "TIMEOUT": "3"}
_JOIN_FAILED: Final = "2"


@frozen(kw_only=True)
class Outcome:
    """The outcome of a call, as the reports of both products write it.

    ``state`` and ``message`` are those of a voice report, ``join_state`` and ``join_message`` those of a voice SMS.
    ``duration`` is in seconds; None: no phone rang. ``key`` is the pressed key, ``recording`` the sound
    file that was left.
    """

    state: str
    message: str
    join_state: str
    join_message: str
    duration: float | None = None
    key: str | None = None
    recording: bytes | None = None


def listed_outcome(
    state: str, *, duration: float | None = None, key: str | None = None, recording: bytes | None = None
) -> Outcome:
    """Make an outcome with a state of the document's tables 3.1 and 3.3.

    ``duration``: None takes the usual duration of the state. Raises ``ValueError`` for another state or key.
    """
    if state not in VOICE_STATES:
        raise ValueError(f"state must be one of {', '.join(VOICE_STATES)} (found {state!r})")
    if key is not None and key not in KEYS:
        raise ValueError(f"key must be a digit from 0 to 9 (found {key!r})")
    join_state = _JOIN_STATES.get(state, _JOIN_FAILED)
    return Outcome(
        state=state,
        message=VOICE_STATES[state].meaning,
        join_state=join_state,
        join_message=JOIN_MEANINGS[join_state],
        duration=_RANG.get(state) if duration is None else duration,
        key=key,
        recording=recording,
    )


ANSWERED: Final = listed_outcome("SUCCESS")
"""The outcome of a call to any other number."""
_UNREACHED: Final = listed_outcome("FAIL_CALL")
_BLACK_LISTED: Final = listed_outcome("FAIL_BLACKDICTIONARY")
_BAD_NUMBER: Final = listed_outcome("FAIL_MOBILE")
_UNLISTED: Final = Outcome(
    state="FAIL_LINE_BUSY", message="用户正忙", join_state="7", join_message="用户正忙", duration=0.0
)

MAGIC_NUMBERS: Final[Mapping[str, Outcome | None]] = MappingProxyType(
    {
        "0001": _UNREACHED,
        "0002": listed_outcome("FAIL_ERROR_VOICE"),
        "0003": listed_outcome("FAIL_UNKNOWN"),
        "0004": listed_outcome("TIMEOUT"),
        "0005": listed_outcome("FAIL_NEEDMORE_BALANCE"),
        "0006": _BAD_NUMBER,
        "0007": _BLACK_LISTED,
        "0008": listed_outcome("FAIL_AUDITINGFAIL"),
        "0009": listed_outcome("FAIL_APPID"),
        "0010": listed_outcome("SUCCESS", key="1", recording=_RECORDING),
        "0011": listed_outcome("SUCCESS", key="2"),
        "0012": _UNLISTED,
        "0013": None,
    }
)
"""The outcome by the last four digits of the mobile number; None: no report ever comes."""


def _shares(keys: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType(dict(keys))


@frozen(kw_only=True)
class Callees:
    """What people do whose number is not magic.

    ``answer_rate``: the share that answers, from 0 to 1; the other calls end in FAIL_CALL. ``keys``: the share of
    those who answer that presses a key, by key; together at most 1. The shares hold in any long row of calls, and
    two runs with the same calls are equal.
    """

    answer_rate: float = field(default=1.0)
    keys: Mapping[str, float] = field(factory=dict, converter=_shares)

    @answer_rate.validator
    def _check_rate(self, _: object, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"answer_rate must be from 0 to 1 (found {rate})")

    @keys.validator
    def _check_keys(self, _: object, keys: Mapping[str, float]) -> None:
        if wrong := sorted(set(keys) - KEYS):
            raise ValueError(f"keys must be digits from 0 to 9 (found {wrong[0]!r})")
        if not all(share >= 0 for share in keys.values()) or not sum(keys.values()) <= 1 + _ROUNDING:
            raise ValueError("the shares of the keys must be 0 or more, and together at most 1")

    def outcome(self, place: int) -> Outcome:
        """Return the outcome of the call number ``place``, counted over all calls."""
        chance = place * _GOLDEN % 1
        if chance >= self.answer_rate:
            return _UNREACHED
        for key, share in self.keys.items():
            chance -= share * self.answer_rate
            if chance < 0:
                return listed_outcome("SUCCESS", key=key)
        return ANSWERED


def outcome_of(mobile: str, content: str, otherwise: Outcome = ANSWERED) -> Outcome | None:
    """Return the outcome of the call to ``mobile``; None when no report ever comes.

    ``otherwise``: the outcome for a number that is not magic.
    """
    if BLACK_WORD in content:
        return _BLACK_LISTED
    if not MOBILE.fullmatch(mobile):
        return _BAD_NUMBER
    return MAGIC_NUMBERS.get(mobile[-4:], otherwise)
