"""JSON values to tickets, reports and amounts through cattrs, one value at a time: the tolerant route.

The tables of :mod:`emay_voice_async.wire.fields` name the fields; unknown fields are ignored. A value that
cannot be read raises one of :data:`~emay_voice_async.wire.fields.UNREADABLE`.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Final

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from emay_voice_async.model.endpoints import JOIN_REPORTS, VOICE_REPORTS, Product
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.wire.fields import REPORT_FIELDS, TICKET_FIELDS, as_money

__all__ = ["product_of", "structure_balance", "structure_report", "structure_ticket"]

_PRODUCT: Final = "product"
_IDS: Final = [(end.product, end.message_id, end.custom_id) for end in (VOICE_REPORTS, JOIN_REPORTS)]


def structure_ticket(raw: object, product: Product) -> Ticket:
    """Read one entry of the response to a send; a field that is missing or null becomes ""."""
    blank = {field.wire: None for field in TICKET_FIELDS[product]}
    return _converter(product).structure(blank | _object(raw), Ticket)


def structure_report(raw: object, product: Product | None = None) -> Report:
    """Read one status report; without ``product``, the id fields of the report tell the product.

    A report that has neither an id nor a number raises :class:`ValueError`.
    """
    values = _object(raw)
    product = product or product_of(values)
    report = _converter(product).structure(values | {_PRODUCT: product}, Report)
    if not (report.message_id or report.custom_id or report.mobile):
        # Nobody can tell which call a blank report belongs to; its raw value is kept instead.
        raise ValueError("the report does not name its call")
    return report


def structure_balance(raw: object) -> Decimal:
    """Read an amount of money exactly; JSON numbers must come parsed as Decimal."""
    return _converter(Product.VOICE).structure(raw, Decimal)


def product_of(values: dict[str, Any]) -> Product:
    """Tell the product by the id fields that are not null, or else by the id fields that are present."""
    for product, message_id, custom_id in _IDS:
        if values.get(message_id) is not None or values.get(custom_id) is not None:
            return product
    for product, message_id, custom_id in _IDS:
        if message_id in values or custom_id in values:
            return product
    return Product.VOICE


@cache
def _converter(product: Product) -> Converter:
    """Make the converter of one product, at its first use, because importing must stay fast."""
    converter = Converter(detailed_validation=False)
    for kind, fields in ((Ticket, TICKET_FIELDS[product]), (Report, REPORT_FIELDS[product])):
        renamed: dict[str, Any] = {
            field.name: override(rename=field.wire, struct_hook=_hook(field.read)) for field in fields
        }
        converter.register_structure_hook(kind, make_dict_structure_fn(kind, converter, **renamed))
    converter.register_structure_hook(Product, _hook(Product))
    converter.register_structure_hook(Decimal, _hook(as_money))
    return converter


def _hook(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Make a hook of cattrs, which is called with a value and a type, from a function of the value."""

    def hook(value: Any, _: Any) -> Any:
        return read(value)

    return hook


def _object(raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"an object was expected, not a {type(raw).__name__}")
    return raw
