"""Times and durations of reports, in the layouts that JSON writers have for them.

The document's layout is ``yyyy-MM-dd HH:mm:ss``. Other layouts are read where they have one meaning only: year
first, or the name of a month; seconds, milliseconds or microseconds since 1970; 14 digits. A time without an
offset is Beijing time. A time outside of 2000 to 2099 is unreadable: null dates of databases and languages
(0000-00-00, 0001-01-01, 1899-12-30, 1970-01-01, 9999-12-31) are times of that kind.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from math import isfinite
from typing import Any, Final

from emay_voice_async.model.beijing import BEIJING

__all__ = ["NULL_WORDS", "finite", "plain", "read_seconds", "read_time"]

NULL_WORDS: Final = frozenset({"", "null", "(null)", "none", "nil", "undefined", "n/a", "-", "--", "无"})
"""The words, in lower case, by which writers say that a value is missing."""

_FIRST: Final = datetime(2000, 1, 1, tzinfo=BEIJING)
_END: Final = datetime(2100, 1, 1, tzinfo=BEIJING)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,2})?")
_COMPACT: Final = re.compile(r"20[0-9]{12}(?:[0-9]{3})?")
_HOUR: Final = re.compile(r"20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])")
"""Ten digits that could be a date and an hour as well as seconds since 1970."""
_ZONE_NAME: Final = re.compile(r"\[[A-Za-z_/+-]{1,40}\]")
_DOT_NET: Final = re.compile(r"/?Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/?")
_UNITS: Final = ((1, 10**11), (1_000, 10**14), (1_000_000, 10**17))
"""Units in a second, and the number from which a count in them is too large to be a time."""

_FLAGS: Final = re.IGNORECASE | re.ASCII
"""The flags of the layouts below: a digit is 0 to 9, of no other script."""
_CLOCK: Final = (
    r"(?P<hour>\d{1,2})[:时](?P<minute>\d{1,2})(?:[:分](?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?秒?)?"
)
_BEFORE: Final = r"(?:(?P<before>上午|下午|[AP]M) ?)?"
_AFTER: Final = r" ?(?P<after>上午|下午|[AP]M)?"
_ZONE: Final = r" ?(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?)"
_YEAR_FIRST: Final = r"(?P<year>\d{4})[-/.年] ?(?P<month>\d{1,2})[-/.月] ?(?P<day>\d{1,2})日?"
_NAME: Final = r"(?P<name>[A-Z]{3})[A-Z]{0,6}"
_LAYOUTS: Final = (
    rf"{_YEAR_FIRST}(?:[T ,]{{0,2}}{_BEFORE}{_CLOCK}{_AFTER}(?:{_ZONE})?)?",
    rf"{_NAME} (?P<day>\d{{1,2}}), ?(?P<year>\d{{4}}),? {_CLOCK}{_AFTER}(?:{_ZONE})?",
    rf"(?:[A-Z]{{3}}, )?(?P<day>\d{{1,2}})[ -]{_NAME}[ -](?P<year>\d{{4}}) {_CLOCK}{_ZONE}",
    rf"[A-Z]{{3}} {_NAME} (?P<day>\d{{1,2}}) {_CLOCK}{_ZONE} (?P<year>\d{{4}})",
)
"""Year first; Gson's English layout; RFC 1123; Java's Date with a numeric offset. Compiled at the first use."""
_MONTHS: Final = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]

_DURATION: Final = (
    r"(?:(?P<hours>\d{1,4})(?:小时|时|h))? ?(?:(?P<minutes>\d{1,6})(?:分钟|分|min|m(?!s)))? ?"
    r"(?:(?P<seconds>\d{1,9}(?:\.\d{1,9})?) ?(?:秒钟|秒|sec|s))? ?(?:(?P<ms>\d{1,12}(?:\.\d{1,9})?) ?(?:毫秒|ms))?"
)
_CLOCKED: Final = r"(?P<hours>\d{1,4}):(?P<minutes>[0-5]?\d):(?P<seconds>[0-5]?\d(?:\.\d{1,9})?)"


def read_time(value: object) -> datetime | None:
    """Read a time as an aware datetime in Beijing's zone; None for a missing time.

    Raises :class:`ValueError`, :class:`TypeError` or :class:`OverflowError` for an unreadable time.
    """
    if isinstance(value, dict):
        # java.util.Date as some writers have it: {"time": milliseconds, "year": 117, ...}.
        time = _of_number(value["time"], 1_000) if type(value.get("time")) is int else _EPOCH
    elif isinstance(value, list):
        time = _of_parts(value)
    elif type(value) is int or type(value) is float:
        time = _of_number(value)
    elif isinstance(value, str):
        text = plain(value)
        if text.casefold() in NULL_WORDS:
            return None
        time = _of_text(text)
    elif value is None:
        return None
    else:
        raise ValueError(f"a time was expected, not a {type(value).__name__}")
    if not _FIRST <= time < _END:
        raise ValueError("a time from 2000 to 2099 was expected")
    return time


def read_seconds(text: str) -> float | None:
    """Read a text with a number of seconds, or with units, or as hours:minutes:seconds; None if it is missing.

    Two numbers with a colon are unreadable: they could be minutes or hours.
    """
    text = plain(text)
    if text.casefold() in NULL_WORDS:
        return None
    if _NUMBER.fullmatch(text):
        return finite(float(text))
    found = re.fullmatch(_DURATION, text, _FLAGS) or re.fullmatch(_CLOCKED, text, _FLAGS)
    if found is None:
        raise ValueError("a number of seconds was expected")
    parts = {name: float(part or 0) for name, part in found.groupdict().items()}
    seconds = parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]
    # Rounded, because 68020 ms are 68.02 seconds.
    return round(seconds + parts.get("ms", 0) / 1000, 9)


def finite(seconds: float) -> float:
    """Return a finite number; raise :class:`ValueError` for another number."""
    if not isfinite(seconds):
        raise ValueError("a number of seconds was expected")
    return seconds


def plain(text: str) -> str:
    """Write full-width characters as plain ones, and take off the blanks around the text."""
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).strip()


def _of_text(text: str) -> datetime:
    if _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second = (
            int(text[a:b]) for a, b in pairwise((0, 4, 6, 8, 10, 12, 14))
        )
        return datetime(year, month, day, hour, minute, second, int(text[14:] or 0) * 1000, BEIJING)
    if _NUMBER.fullmatch(text):
        return _of_number(float(text) if "." in text or "e" in text.lower() else int(text))
    if found := _DOT_NET.fullmatch(text):
        return _of_number(int(found[1]), 1_000)
    try:
        # java.time adds the name of a zone to an offset: 2017-03-15T12:00+08:00[Asia/Shanghai].
        time = datetime.fromisoformat(_ZONE_NAME.sub("", text))
    except ValueError:
        return _of_layouts(text)
    return time.replace(tzinfo=BEIJING) if time.tzinfo is None else time.astimezone(BEIJING)


def _of_number(number: float, unit: int = 0) -> datetime:
    """Read a count of seconds, milliseconds or microseconds since 1970, or the 14 digits of a compact time."""
    if type(number) is int and _COMPACT.fullmatch(f"{number}"):
        return _of_text(f"{number}")
    if _HOUR.fullmatch(f"{number}"):
        raise ValueError("a time was expected, not ten digits of two meanings")
    finite(number)
    unit = unit or next((unit for unit, end in _UNITS if abs(number) < end), 0)
    if not unit:
        raise ValueError("a time was expected, not such a large number")
    return (_EPOCH + timedelta(microseconds=round(number * (1_000_000 // unit)))).astimezone(BEIJING)


def _of_parts(parts: list[Any]) -> datetime:
    """Read a list as Jackson writes a time: year, month, day, hour, minute, second, nanoseconds."""
    if not 5 <= len(parts) <= 7 or set(map(type, parts)) != {int}:
        raise ValueError("a time was expected, not a list")
    year, month, day, hour, minute, second, nanoseconds = (*parts, 0, 0)[:7]
    return datetime(year, month, day, hour, minute, second, nanoseconds // 1000, BEIJING)


def _of_layouts(text: str) -> datetime:
    found = next(filter(None, (re.fullmatch(layout, text, _FLAGS) for layout in _LAYOUTS)), None)
    if found is None:
        raise ValueError("a time was expected")
    part = {name: (value or "").upper() for name, value in found.groupdict().items()}
    month = _MONTHS.index(part["name"][:3]) + 1 if "name" in part else int(part["month"])
    hour = _of_half(int(part["hour"] or 0), part.get("before") or part.get("after") or "")
    fraction = int(part["fraction"].ljust(9, "0")) // 1000
    zone = _zone(part["zone"]) if part["zone"] else BEIJING
    time = datetime(
        int(part["year"]), month, int(part["day"]), hour, int(part["minute"] or 0), int(part["second"] or 0),
        fraction, zone,
    )  # fmt: skip
    return time.astimezone(BEIJING)


def _of_half(hour: int, half: str) -> int:
    """Turn an hour of half a day into an hour of the day; some writers add the half to an hour of 24."""
    if not half or not 1 <= hour <= 12:
        return hour
    return hour % 12 + (12 if half in ("下午", "PM") else 0)


def _zone(text: str) -> timezone:
    digits = text.removeprefix("UTC").removeprefix("GMT").replace(":", "")
    if digits in ("Z", ""):
        return UTC
    hours, minutes = (digits[1:-2], digits[-2:]) if len(digits) > 3 else (digits[1:], "0")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if digits[0] == "-" else offset)
