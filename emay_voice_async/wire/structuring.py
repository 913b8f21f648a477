"""Single JSON values to tickets, reports and amounts, and values of the package to JSON values, by cattrs.

The tables of :mod:`emay_voice_async.wire.fields` name the fields; unknown fields are ignored. Tickets and
amounts that cannot be read raise one of :data:`~emay_voice_async.wire.fields.UNREADABLE`.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from emay_voice_async.errors import RefusedError
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import JOIN_REPORTS, VOICE_REPORTS, Product
from emay_voice_async.model.raw_fields import RawFields
from emay_voice_async.model.results import Outcome, Report, Ticket
from emay_voice_async.wire.fields import REPORT_FIELDS, TICKET_FIELDS, as_money

if TYPE_CHECKING:
    from cattrs import Converter
    from cattrs.errors import ClassValidationError

__all__ = [
    "load_converters",
    "product_of",
    "structure_balance",
    "structure_report",
    "structure_ticket",
    "unstructure",
]

_PRODUCT: Final = "product"
_UNREADABLE: Final = "unreadable"
_NAMELESS: Final = "the report does not name its call"
_NAMING: Final = {
    product: [field.wire for field in fields if field.name in ("message_id", "custom_id", "mobile")]
    for product, fields in REPORT_FIELDS.items()
}
_IDS: Final = [(end.product, end.message_id, end.custom_id) for end in (VOICE_REPORTS, JOIN_REPORTS)]


def structure_ticket(raw: object, product: Product) -> Ticket:
    """Read one entry of the response to a send; a field that is missing or null becomes ""."""
    blank = {field.wire: None for field in TICKET_FIELDS[product]}
    return _converter(product).structure(blank | _object(raw), Ticket)


def structure_report(raw: object, product: Product | None = None) -> Report:
    """Read one status report; without ``product``, the id fields of the report tell the product.

    A field that cannot be read is None or "", and its raw value is in ``unreadable``. An entry that is no
    object, or has neither an id nor a number, raises :class:`ValueError`.
    """
    values = _object(raw)
    product = product or product_of(values)
    if all(values.get(name) in (None, "") for name in _NAMING[product]):
        raise ValueError(_NAMELESS)
    structure = _converter(product).structure
    known = {field.wire: values[field.wire] for field in REPORT_FIELDS[product] if field.wire in values}
    try:
        report = structure(known | {_PRODUCT: product}, Report)
    except ExceptionGroup as error:
        found = cast("ClassValidationError", error).group_exceptions()[0]
        attributes = {note.name for _, note in found}
        names = {field.wire for field in REPORT_FIELDS[product] if field.name in attributes}
        unreadable = RawFields({name: known.pop(name) for name in sorted(names)})
        report = structure(known | {_PRODUCT: product, _UNREADABLE: unreadable}, Report)
    if not (report.message_id or report.custom_id or report.mobile):
        # A blank report belongs to no call; its raw value is kept instead.
        raise ValueError(_NAMELESS)
    return report


def structure_balance(raw: object) -> Decimal:
    """Read an amount of money exactly; JSON numbers must come parsed as Decimal."""
    return _converter(Product.VOICE).structure(raw, Decimal)


def unstructure(value: Any) -> Any:
    """Return plain JSON values for a value of this package, or for a list, tuple or dict of such values.

    An object becomes a dict of its fields, whole phone numbers included; an outcome also has ``outcome``,
    its name. Recordings are base64, times ISO 8601, amounts of money text, enums their values; an error is
    ``{"type": ..., "code": ..., "meaning": ..., "text": ...}``. ``json.dumps`` accepts the result. A value of
    another class raises :class:`TypeError`.
    """
    return _json_converter().unstructure(value)


def product_of(values: dict[str, Any]) -> Product:
    """Tell the product by the id fields that are not null, or else by the id fields that are present."""
    for product, message_id, custom_id in _IDS:
        if values.get(message_id) is not None or values.get(custom_id) is not None:
            return product
    for product, message_id, custom_id in _IDS:
        if message_id in values or custom_id in values:
            return product
    return Product.VOICE


def load_converters() -> None:
    """Import cattrs and make the converters of reports; the first reading of an unusual report would do so."""
    for product in Product:
        _converter(product)


@cache
def _converter(product: Product) -> "Converter":
    """Make the converter of one product, at its first use, because importing must stay fast (benchmark: importing)."""
    from cattrs import Converter  # noqa: PLC0415
    from cattrs.gen import make_dict_structure_fn, override  # noqa: PLC0415

    converter = Converter()
    hooks: dict[str, Any] = {
        field.name: override(rename=field.wire, struct_hook=_hook(field.read))
        for field in TICKET_FIELDS[product]
    }
    ticket = make_dict_structure_fn(Ticket, converter, _cattrs_detailed_validation=False, **hooks)
    hooks = {
        field.name: override(rename=field.wire, struct_hook=_hook(field.read))
        for field in REPORT_FIELDS[product]
    }
    hooks |= dict.fromkeys((_PRODUCT, _UNREADABLE), override(struct_hook=_hook(lambda value: value)))
    # The detailed validation names each field that cannot be read.
    report = make_dict_structure_fn(Report, converter, _cattrs_detailed_validation=True, **hooks)
    converter.register_structure_hook(Ticket, ticket)
    converter.register_structure_hook(Report, report)
    converter.register_structure_hook(Decimal, _hook(as_money))
    return converter


@cache
def _json_converter() -> "Converter":
    """Make the converter to plain JSON values, at its first use."""
    from cattrs import Converter  # noqa: PLC0415
    from cattrs.gen import make_dict_unstructure_fn  # noqa: PLC0415

    converter = Converter(
        unstruct_collection_overrides={Sequence: list, AbstractSet: list},
        unstructure_fallback_factory=_refused,
    )
    converter.register_unstructure_hook(bytes, lambda data: b64encode(data).decode())
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_unstructure_hook(Decimal, str)
    # JSON has no infinity and no NaN.
    converter.register_unstructure_hook(float, lambda number: number if isfinite(number) else str(number))
    # Without a hook, cattrs leaves a StrEnum as a text.
    converter.register_unstructure_hook(ResultCode, attrgetter("value"))
    converter.register_unstructure_hook_func(_is_error, _json_of_error)
    for kind in get_args(Outcome):
        fields = make_dict_unstructure_fn(kind, converter)
        converter.register_unstructure_hook(kind, _named(kind.name, fields))
    return converter


def _named(name: str, fields: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda outcome: {"outcome": name, **fields(outcome)}


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _json_of_error(error: BaseException) -> dict[str, str | None]:
    code, meaning = (error.code, error.meaning) if isinstance(error, RefusedError) else (None, None)
    code = code.value if isinstance(code, Enum) else code
    return {"type": type(error).__name__, "code": code, "meaning": meaning, "text": str(error)}


def _refused(kind: Any) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        if value is None or isinstance(value, str | int):
            return value
        if type(value) is not kind:
            # The kind was declared, such as object for a raw value.
            return _json_converter().unstructure(value)
        raise TypeError(f"a {kind.__name__} has no plain JSON values")

    return refuse


def _hook(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Make a hook of cattrs, which is called with a value and a type, from a function of the value."""

    def hook(value: Any, _: Any) -> Any:
        return read(value)

    return hook


def _object(raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"an object was expected, not a {type(raw).__name__}")
    return raw
