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
others    SUCCESS, answered for 68.02 seconds
========  ==========================================================================

A voice SMS has three states only: 4 for SUCCESS, 3 for TIMEOUT, 2 for every failure. Two rules come
before the table: content with the word 黑词 ends in FAIL_BLACKDICTIONARY for all numbers, and a text
that is no mobile number ends in FAIL_MOBILE.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from emay_voice_async.model.codes import JOIN_MEANINGS, VOICE_STATES

__all__ = ["ANSWERED", "BLACK_WORD", "MAGIC_NUMBERS", "MOBILE", "Outcome", "outcome_of"]

BLACK_WORD: Final = "黑词"
"""Content with this word is accepted, and the report says FAIL_BLACKDICTIONARY."""
MOBILE: Final = re.compile(r"1[0-9]{10}")
"""A whole mobile number."""

# A whole WAV file: 8 kHz, 8 bits, mono, 8 samples, with bytes above 127, which are negative in Java.
_RECORDING: Final = (
    b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
    b"data\x08\x00\x00\x00\x80\xbf\xff\xbf\x80\x40\x00\x40"
)
_TALK: Final = 68.02
_JOIN_STATES: Final = {"SUCCESS": "4", "TIMEOUT": "3"}
_JOIN_FAILED: Final = "2"


@frozen(kw_only=True)
class Outcome:
    """The outcome of a call, as the reports of both products write it.

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


def _listed(
    state: str, duration: float | None = None, key: str | None = None, recording: bytes | None = None
) -> Outcome:
    """Make an outcome with a state of the document's tables 3.1 and 3.3."""
    join_state = _JOIN_STATES.get(state, _JOIN_FAILED)
    return Outcome(
        state=state,
        message=VOICE_STATES[state].meaning,
        join_state=join_state,
        join_message=JOIN_MEANINGS[join_state],
        duration=duration,
        key=key,
        recording=recording,
    )


ANSWERED: Final = _listed("SUCCESS", _TALK)
"""The outcome of a call to any other number."""
_BLACK_LISTED: Final = _listed("FAIL_BLACKDICTIONARY")
_BAD_NUMBER: Final = _listed("FAIL_MOBILE")
_UNLISTED: Final = Outcome(
    state="FAIL_LINE_BUSY", message="用户正忙", join_state="7", join_message="用户正忙", duration=0.0
)

MAGIC_NUMBERS: Final[Mapping[str, Outcome | None]] = MappingProxyType(
    {
        "0001": _listed("FAIL_CALL", 0.0),
        "0002": _listed("FAIL_ERROR_VOICE"),
        "0003": _listed("FAIL_UNKNOWN", 0.0),
        "0004": _listed("TIMEOUT", 0.0),
        "0005": _listed("FAIL_NEEDMORE_BALANCE"),
        "0006": _BAD_NUMBER,
        "0007": _BLACK_LISTED,
        "0008": _listed("FAIL_AUDITINGFAIL"),
        "0009": _listed("FAIL_APPID"),
        "0010": _listed("SUCCESS", _TALK, "1", _RECORDING),
        "0011": _listed("SUCCESS", _TALK, "2"),
        "0012": _UNLISTED,
        "0013": None,
    }
)
"""The outcome by the last four digits of the mobile number; None: no report ever comes."""


def outcome_of(mobile: str, content: str) -> Outcome | None:
    """Return the outcome of the call to ``mobile``; None when no report ever comes."""
    if BLACK_WORD in content:
        return _BLACK_LISTED
    if not MOBILE.fullmatch(mobile):
        return _BAD_NUMBER
    return MAGIC_NUMBERS.get(mobile[-4:], ANSWERED)
