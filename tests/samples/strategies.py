"""Hypothesis strategies: texts, numbers, recipients, messages, reports and other JSON."""

import math

from hypothesis import strategies as st

from emay_voice_async.model.messages import (
    Marketing,
    Message,
    Notice,
    OnConnected,
    OnKey,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.model.recipients import Recipient

__all__ = [
    "CHARACTERS",
    "JSON",
    "codes",
    "custom_ids",
    "dressed",
    "messages",
    "mobiles",
    "people",
    "raw_reports",
    "texts",
]

CHARACTERS = st.characters(exclude_categories=["Cs"])
"""Every character that UTF-8 can encode: all of Unicode but the surrogates."""

_scalars: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**25), 10**25), st.floats(), st.text(max_size=8)
)
JSON: st.SearchStrategy[object] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
"""Any JSON value, with the numbers that only Python's reader and writer know."""


def texts(max_size: int) -> st.SearchStrategy[str]:
    """Generate texts that may be said: of any characters, not blank."""
    return st.text(CHARACTERS, min_size=1, max_size=max_size).filter(lambda text: bool(text.strip()))


mobiles = st.integers(0, 10**10 - 1).map("1{:010}".format)
custom_ids = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=","), min_size=1, max_size=64
).filter(lambda text: bool(text.strip()))
people = st.builds(Recipient, mobiles, custom_ids)
codes = st.integers(0, 9999).map("{:04}".format) | st.integers(0, 999_999).map("{:06}".format)

_spoken = {
    "interactive_content": st.none() | texts(150),
    "voicemail_content": st.none() | texts(150),
    "interactive": st.none() | st.booleans(),
}
_triggers = st.builds(OnKey, st.sampled_from("0123456789")) | st.builds(OnConnected, st.integers(6, 60))

messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Notice, texts(200), **_spoken),
    st.builds(Marketing, texts(200), **_spoken),
    st.builds(VerificationCode, codes),
    st.builds(
        VoiceSms,
        texts(200),
        trigger=_triggers,
        sms_content=st.none() | texts(300),
        voicemail=st.none() | st.booleans(),
        **_spoken,
    ),
)

_BETWEEN = st.sampled_from(["-", " ", "\u3000", "\u00a0", " - ", "——", "–", "−", "－", "  "])
_GROUPS = [(11,), (3, 4, 4), (4, 4, 3), (3, 3, 5), (4, 3, 4), (5, 6), (7, 4)]


@st.composite
def dressed(draw: st.DrawFn, mobile: str) -> str:
    """Write a mobile number in one of the ways that people have."""
    groups, start = [], 0
    for length in draw(st.sampled_from(_GROUPS)):
        groups.append(mobile[start : start + length])
        start += length
    between = draw(_BETWEEN | st.just(".") if len(groups) == 3 else _BETWEEN)
    if len(groups) > 1 and draw(st.booleans()):
        groups[0] = f"({groups[0]})"
    text = between.join(groups)
    if country := draw(st.sampled_from(["", "86", "+86", "+ 86", "0086", "(86)", "(+86)", "（0086）"])):
        text = country + draw(st.just("") | _BETWEEN) + text
    if text.isdigit():
        text += draw(st.sampled_from(["", ".0", ".00", "."]))
    if draw(st.booleans()):
        text = text.translate(
            {
                ord(thin): wide
                for thin, wide in zip("0123456789+()", "０１２３４５６７８９＋（）", strict=True)
            }
        )
    before, after = draw(st.sampled_from([("'", ""), ('="', '"'), ('"', '"'), ("", ""), ("‘", "")]))
    around = st.text(" \t\u00a0\u3000\u200b\ufeff\u202c", max_size=3)
    return draw(around) + before + text + after + draw(around)


@st.composite
def _reports(draw: st.DrawFn) -> dict[str, object]:
    """Make the JSON object of a report: usual values, but for a few fields."""
    present, absent = draw(st.permutations([("voiceId", "customVoiceId"), ("joinId", "customJoinId")]))
    raw: dict[str, object] = {
        "appId": "a",
        **dict(zip(present, ("1", "c"), strict=True)),
        "mobile": "13800000000",
        "callingTime": "2026-03-02 08:00:00",
        "callingDuration": 1.5,
        "message": "m",
        "desc": "d",
        "state": " SUCCESS ",
        "keyContent": None,
        "voiceSign": None,
    }
    values: list[object] = [
        None,
        "",
        " ",
        " 4 ",
        "1",
        1,
        True,
        1.5,
        4.0,
        math.inf,
        math.nan,
        [],
        {},
        [1],
        "null",
    ]
    times = ["2026-03-02T08+08:00", "2026-03-02T08:00:00Z", "20260302", " 2026-03-02 08:00:00", "0001-01-01"]
    dates = ["0000-00-00 00:00:00", "2026/03/02 08:00:00", "2099-12-31 23:59:59", "2099-W53-5T12:00:00"]
    others = ["68秒", "YWJj", "https://example.com/1.wav", 1489550400000, "成功", "\ud800"]
    for name in draw(st.sets(st.sampled_from(sorted({*raw, *absent})), max_size=3)):
        raw[name] = draw(st.sampled_from([*values, *times, *dates, *others]))
    for name in draw(st.sets(st.sampled_from(sorted(raw)), max_size=2)):
        del raw[name]
    return raw | draw(st.sampled_from([{}, {}, {"callType": [1]}]))


raw_reports = _reports()
"""The JSON objects of reports: usual values, but for a few fields."""
