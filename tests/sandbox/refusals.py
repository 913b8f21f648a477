"""Every refusal that a request can cause, as data; run on the bare rules and over a socket."""

from collections.abc import Callable
from decimal import Decimal
from itertools import product

from attrs import frozen

from emay_voice_async.sandbox.accounts import Account, ServiceType
from emay_voice_async.sandbox.speed import Limit, Limits
from sandbox.by_hand import APP_ID, BALANCES, MOBILE, NOW, REPORTS, SENDS, account, form, form_of, stamp


@frozen
class Refusal:
    """A request that is refused, for a fault of the request or of the account."""

    name: str
    path: str
    code: str
    fields: dict[str, str]
    prepare: Callable[[Account], object] = bool
    accepted_before: int = 0


_MISTAKEN = Account(app_id=APP_ID, secret_key="0123456789ABCDEF")


def _elsewhere(account: Account) -> None:
    account.allowed_ips = {"10.0.0.1"}


def _slow(account: Account) -> None:
    once = Limit(1, 1.0)
    account.rate_limits = Limits(send=once, reports=once, balance=once)


def _poor(account: Account) -> None:
    account.balance = Decimal("0.19")


def _without(*services: ServiceType) -> Callable[[Account], None]:
    def prepare(account: Account) -> None:
        account.services = set(ServiceType) - set(services)

    return prepare


def _wrong(name: str, path: str, code: str, /, **changes: str | None) -> Refusal:
    return Refusal(name, path, code, form(path, **changes))


def _of_every_path(path: str) -> list[Refusal]:
    refusals = [
        _wrong("no appId", path, "ERROR_APPID", appId=None),
        _wrong("unknown appId", path, "ERROR_APPID", appId="EUCP-EMY-UNKNOWN-1"),
        Refusal("too fast", path, "ERROR_OVER_SPEED", form(path), _slow, accepted_before=1),
        Refusal("wrong address", path, "ERROR_CLIENT_IP", form(path), _elsewhere),
        _wrong("no signature", path, "ERROR_PARAMS", sign=None),
        _wrong("no UTF-8", path, "ERROR_PARAMS", further="\udc80"),
        _wrong("no UTF-8 in a name", path, "ERROR_PARAMS", **{"\udc80": "1"}),
        _wrong("wrong signature", path, "ERROR_SIGN", sign="0" * 32),
        _wrong("signature in capitals", path, "ERROR_SIGN", sign=form(path)["sign"].upper()),
        Refusal("wrong key", path, "ERROR_SIGN", form_of(_MISTAKEN, path, NOW)),
    ]
    if path not in BALANCES:
        refusals += [
            _wrong(f"timestamp {text!r}", path, "ERROR_TIMESTAMP", timestamp=text)
            for text in (
                "2023-11-15 06:13",
                "2023111506132",
                "20231315061320",
                "00001115061320",
                "２0231115061320",
            )
        ]
        refusals += [
            _wrong("no timestamp", path, "ERROR_PARAMS", timestamp=None),
            Refusal("61 seconds late", path, "ERROR_TIMESTAMP", form_of(account(), path, NOW - 61)),
            Refusal("61 seconds early", path, "ERROR_TIMESTAMP", form_of(account(), path, NOW + 61)),
            Refusal("time of London", path, "ERROR_TIMESTAMP", form_of(account(), path, NOW - 8 * 3600)),
            _wrong("signature of another time", path, "ERROR_SIGN", timestamp=stamp(NOW - 1)),
        ]
    return refusals


def _of_every_send(path: str) -> list[Refusal]:
    kind = "JOIN" if path == "/join/send" else "VOICE"
    mobiles, ids = {
        "/voice/sendVFCode": ("mobile", "customVoiceId"),
        "/join/send": ("mobiles", "customJoinIds"),
    }.get(path, ("mobiles", "customVoiceIds"))
    most = 1 if path == "/voice/sendVFCode" else 500
    content = "voiceContent" if path == "/join/send" else "content"
    service = next(one for one in ServiceType if one.value.path == path)
    broke = "ERROR_NEEDMORE_BLANCE" if path == "/join/send" else "ERROR_NEEDMORE_BALANCE"
    refusals = [
        Refusal("another service", path, "ERROR_MESSAGE_TYPE", form(path), _without(service)),
        _wrong("no content", path, "ERROR_CONTENT_EMPTY", **{content: None}),
        _wrong("blank content", path, "ERROR_CONTENT_EMPTY", **{content: " \n"}),
        _wrong("no mobiles", path, "ERROR_MOBILE_EMPTY", **{mobiles: None}),
        _wrong("empty mobiles", path, "ERROR_MOBILE_EMPTY", **{mobiles: ""}),
        _wrong("too many", path, "ERROR_MOBILE_NUMBER", **{mobiles: ",".join([MOBILE] * (most + 1))}),
        _wrong("long custom id", path, f"ERROR_CUSTOM_{kind}_ID", **{ids: "x" * 65}),
        _wrong("empty custom id", path, f"ERROR_CUSTOM_{kind}_ID", **{ids: "x,"}),
        _wrong("two custom ids for one", path, f"ERROR_CUSTOM_{kind}_ID_NUMBER", **{ids: "x,y"}),
    ]
    refusals += [
        _wrong(f"mobile {text!r}", path, "ERROR_MOBILE_ERROR", **{mobiles: text})
        for text in (
            "1380000000",
            "138000000000",
            "23800000000",
            " 13800000000",
            "1380000000x",
            "1380000000０",
        )
    ]
    if path == "/voice/sendVFCode":
        refusals.append(
            Refusal("no money", path, broke, form(path), lambda a: setattr(a, "balance", Decimal("0.09")))
        )
    else:
        two = form(path, mobiles=f"{MOBILE},{MOBILE}")
        refusals += [
            Refusal("money for one", path, broke, two, _poor),
            _wrong("all bad", path, "ERROR_MOBILE_ERROR", mobiles="1,2,"),
            _wrong("one custom id for two", path, f"ERROR_CUSTOM_{kind}_ID_NUMBER", **{**two, ids: "x"}),
            _wrong(
                "too much in all",
                path,
                "ERROR_LONG_CONTENT",
                **{content: "字" * 200, "interactiveContent": "字" * 200, "acousticSignContent": "字" * 101},
            ),
        ]
    return refusals


def _others() -> list[Refusal]:
    join = "/join/send"
    notices = ("/voice/send", "/voice/sendCTCode")
    return [
        *(_wrong("201 characters", path, "ERROR_LONG_CONTENT", content="字" * 201) for path in notices),
        *(_wrong("flag 2", path, "ERROR_PARAMS", isInteractive="2") for path in notices),
        *(
            _wrong(f"code {text!r}", "/voice/sendVFCode", "ERROR_VERIFICATION_CODE_CONTENT", content=text)
            for text in ("123", "12345", "1234567", "12a4", "１２３４", "-123")
        ),
        *(
            _wrong(f"number {text!r}", path, "ERROR_PARAMS", number=text)
            for path, text in product(REPORTS, ("x", "2.5"))
        ),
        *(
            Refusal("another service", path, "ERROR_MESSAGE_TYPE", form(path), prepare)
            for path, prepare in (
                ("/voice/getReport", _without(ServiceType.NOTICE, ServiceType.CODE, ServiceType.MARKETING)),
                ("/voice/getBalance", _without(ServiceType.NOTICE, ServiceType.CODE, ServiceType.MARKETING)),
                ("/join/getReport", _without(ServiceType.VOICE_SMS)),
                ("/join/getBalance", _without(ServiceType.VOICE_SMS)),
            )
        ),
        _wrong("501 characters", join, "ERROR_LONG_CONTENT", voiceContent="字" * 501),
        *(
            _wrong(f"trigger {text!r}", join, "ERROR_TRIGGERCONDITIONS", triggerConditions=text)
            for text in (None, "", "2", "34", "x")
        ),
        *(
            _wrong(f"key {text!r}", join, "ERROR_KEYCONTENT", keyContent=text)
            for text in (None, "", "*", "12", "１")
        ),
        *(
            _wrong(f"connected {text!r}", join, "ERROR_CONNECTTIME", triggerConditions="4", connectTime=text)
            for text in (None, "", "5", "61", "-6", "6.5", "x")
        ),
        _wrong("flag 2", join, "ERROR_ISINTERACTIVE", isInteractive="2"),
        _wrong("voicemail flag yes", join, "ERROR_ISACOUSTICSIGN", isAcousticSign="yes"),
    ]


REFUSALS = [
    *(refusal for path in (*SENDS, *REPORTS, *BALANCES) for refusal in _of_every_path(path)),
    *(refusal for path in SENDS for refusal in _of_every_send(path)),
    *_others(),
]


def name_of(refusal: Refusal) -> str:
    """Name a refusal in the list of tests."""
    return f"{refusal.path} {refusal.name}"
