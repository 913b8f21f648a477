"""Find the column of the numbers in a file: by name, by position, or by a usual name."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.numbers import normalised, plain

__all__ = [
    "USUAL_NAMES",
    "Column",
    "has_usual_name",
    "index_of",
    "is_header_cell",
    "looks_like_number",
    "unique_names",
]

Column = str | int
"""The name of a column, or the position, counted from 1."""

USUAL_NAMES: Final = frozenset({"mobile", "phone", "number", "手机", "手机号", "手机号码", "电话"})
"""Names of a column of numbers, in lower case, without blanks, signs and brackets."""
_PERSONS: Final = (
    "contact|customer|client|user|member|receiver|recipient|consignee|callee|called|student|parent|patient"
)
_CHINESE_PERSONS: Final = (
    "联系人?|被叫|聯絡人?|聯繫人?|客户|客戶|用户|用戶|会员|會員|本人|学生|家长|业主|员工|职工|患者|车主|买家|顾客|居民|乘客|住户|租户|学员|考生|宾客|客人|您的?|你的?|对方|目标"
    "|收件人?|收货人?|接收人?|接听人?|被叫人|下单人?|预约人?|预留|注册|登记|绑定|常用|个人"
)
_OTHER_NAMES: Final = re.compile(
    rf"(?:{_PERSONS})?(?:mobile|phone|tel|telephone|cell|cellular|handphone)(?:phone|tel)?(?:s|no|num|numbers?)?[0-9]?"
    rf"|(?:{_PERSONS})(?:s|no|num|numbers?)|numbers|msisdns?|shouji(?:hao|haoma)?|(?:lianxi)?dianhua(?:haoma)?"
    rf"|(?:{_CHINESE_PERSONS}){{0,2}}(?:手机|手機|电话|電話|移动电话|行動電話|手机电话|手机或?电话|电话或?手机|联系方式|聯絡方式)(?:号码?|號碼?)?[0-9]?"
    rf"|(?:{_CHINESE_PERSONS})?(?:号码|號碼)|被叫"
)
"""Further names, which count if no column has a name of :data:`USUAL_NAMES`."""

_OPTIONS: Final = {"column": "--column", "custom_id_column": "--custom-id-column"}
_MAX_SHOWN: Final = 20
_MANY_DIGITS: Final = 7
_BRACKETS: Final = re.compile(r"[(（\[【<《{].*?[)）\]】>》}]")
_EXAMPLE: Final = "mobile or 手机号"


def index_of(names: Sequence[str], wanted: Column | None, argument: str) -> int:
    """Return the index, from 0, of the ``wanted`` column; None: of the column with a usual name.

    An equal name is preferred; otherwise case, width and surrounding blanks are ignored. Raises
    :class:`InvalidRequestError` for the field ``argument``, with a list of the columns and, for a column of
    numbers or ids, the option of the command line.
    """
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            rule = f"must be a name, or a position from 1 to {len(names)}"
            raise InvalidRequestError(argument, rule, len(names), wanted)
        return wanted - 1
    if wanted is not None:
        return _named(names, wanted, argument)
    simple = [_simplified(name) for name in names]
    for usual in (USUAL_NAMES.__contains__, _OTHER_NAMES.fullmatch):
        found = [index for index, name in enumerate(simple) if usual(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidRequestError(
                argument,
                f"must be given (command line: {_option(argument)}), as {len(found)} columns have usual names",
                None,
                _listed(names),
            )
    raise InvalidRequestError(argument, _missing(names, argument), None, _listed(names))


def has_usual_name(text: str) -> bool:
    """Tell whether a cell names a column of numbers."""
    name = _simplified(text)
    return name in USUAL_NAMES or _OTHER_NAMES.fullmatch(name) is not None


def is_header_cell(text: str) -> bool:
    """Tell whether a cell names a column; a mistyped number is no name."""
    if _OTHER_NAMES.fullmatch(_simplified(text)):
        return True
    shown = plain(text)
    digits, letters = sum(map(str.isdigit, shown)), sum(map(str.isalpha, shown))
    return letters > 0 and letters >= digits and not looks_like_number(text)


def looks_like_number(text: str) -> bool:
    """Tell whether a cell may be a number, in any notation, maybe mistyped."""
    return sum(map(str.isdigit, text)) >= _MANY_DIGITS


def unique_names(header: Sequence[str]) -> list[str]:
    """Return a different name for each column: a blank or repeated name is made different by the position."""
    names: dict[str, None] = {}
    for position, cell in enumerate(header, 1):
        name = cell.strip() or f"column {position}"
        while name in names:
            name = f"{name} ({position})"
        names[name] = None
    return list(names)


def _named(names: Sequence[str], wanted: str, argument: str) -> int:
    if names.count(wanted) == 1:
        return names.index(wanted)
    sought = _folded(wanted)
    found = [index for index, name in enumerate(names) if _folded(name) == sought]
    if len(found) == 1:
        return found[0]
    many = f", and {len(found)} columns have this name" if found else ""
    option = f" (command line: {_option(argument)})" if argument in _OPTIONS else ""
    rule = f"must be the name of one column{option}{many}"
    raise InvalidRequestError(argument, rule, None, _listed(names))


def _missing(names: Sequence[str], argument: str) -> str:
    """Say how to name the column; in a file without a header, by the position of the numbers."""
    for position, name in enumerate(names, 1):
        if looks_like_number(normalised(name)):
            return (
                f"must be a position where the file has no header, such as {argument}={position}"
                f" (command line: {_option(argument)} {position})"
            )
    return (
        f"must be given (command line: {_option(argument)}), as no column has a usual name such as {_EXAMPLE}"
    )


def _option(argument: str) -> str:
    return _OPTIONS[argument]


def _folded(name: str) -> str:
    return plain(name).casefold()


def _simplified(name: str) -> str:
    """Return the letters and digits of a name in lower case, without remarks in brackets."""
    return "".join(filter(str.isalnum, _BRACKETS.sub("", unicodedata.normalize("NFKC", name).casefold())))


def _listed(names: Sequence[str]) -> str:
    shown = [_shown(name) for name in names[:_MAX_SHOWN]]
    return "the columns " + ", ".join([*shown, "..."] if len(names) > _MAX_SHOWN else shown)


def _shown(name: str) -> str:
    """Quote a name, but hide a number: a file without a header has numbers in the place of names."""
    return "****" if looks_like_number(name) else repr(name[:_MAX_SHOWN])
