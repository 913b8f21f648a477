"""Plain pushes."""

import json
from urllib.parse import urlencode

import pytest
from support.pushes import (
    INSIDE,
    KEY,
    KEYS,
    NETWORKS,
    OTHER_KEY,
    OUTSIDE,
    SUCCESS,
    TOKEN,
    Handler,
    Rejections,
    entry,
    push,
    seal,
    status,
    text_of,
)
from support.virtual_time import run

from emay_voice_async import PushError
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.wire.encryption import decrypt, encrypt


class TestPlain:
    """Plain pushes are accepted by network and secret path only."""

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            (b"application/json", text_of(entry())),
            (b"application/json;charset=utf-8", b"\xef\xbb\xbf" + text_of(entry())),
            (b"text/plain", b"  " + json.dumps([entry()]).encode()),
            (b"application/x-www-form-urlencoded", text_of(entry())),
            (b"application/x-www-form-urlencoded", urlencode({"reports": text_of(entry())}).encode()),
            (None, text_of(entry())),
        ],
    )
    def test_every_form_is_read(self, content_type: bytes | None, body: bytes) -> None:
        """JSON, a form, and JSON under the name of a form."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, allow_plain=True, plain_networks=NETWORKS)
        headers = [(b"content-type", content_type)] if content_type else []
        assert run(push(app, body, headers=headers)) == SUCCESS
        assert handler.done == [["m1"]]

    @pytest.mark.parametrize(
        ("networks", "token", "client", "path", "allowed"),
        [
            (NETWORKS, None, INSIDE, "/push", True),
            (NETWORKS, None, f"::ffff:{INSIDE}", "/push", True),
            (["2001:db8::/32", *NETWORKS], None, "2001:db8::9", "/push", True),
            (NETWORKS, None, OUTSIDE, "/push", False),
            (NETWORKS, None, f"::ffff:{OUTSIDE}", "/push", False),
            (NETWORKS, None, "2001:db8::9", "/push", False),
            (NETWORKS, None, "testclient", "/push", False),
            (NETWORKS, None, None, "/push", False),
            (None, TOKEN, OUTSIDE, f"/push/{TOKEN}", True),
            (None, TOKEN, None, f"/{TOKEN}", True),
            (None, TOKEN, INSIDE, "/push", False),
            (None, TOKEN, INSIDE, f"/push/{TOKEN}x", False),
            (None, TOKEN, INSIDE, f"/push/{TOKEN[:-1]}", False),
            (None, TOKEN, INSIDE, f"/push/{TOKEN}/", False),
            (None, TOKEN, INSIDE, f"/{TOKEN}/push", False),
            (None, TOKEN, INSIDE, "/push/\udcff", False),
            (None, "密钥", OUTSIDE, "/push/密钥", True),
            (NETWORKS, TOKEN, INSIDE, f"/push/{TOKEN}", True),
            (NETWORKS, TOKEN, OUTSIDE, f"/push/{TOKEN}", False),
            (NETWORKS, TOKEN, INSIDE, "/push", False),
        ],
    )
    def test_every_rule_that_is_given_must_hold(
        self, networks: list[str] | None, token: str | None, client: str | None, path: str, *, allowed: bool
    ) -> None:
        """A plain push from elsewhere, or to another path, is not believed."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, allow_plain=True, plain_networks=networks, plain_token=token)
        options = {"client": client and (client, 1), "path": path}
        assert run(status(app, text_of(entry()), **options)) == (200 if allowed else 403)
        assert len(handler.done) == allowed

    @pytest.mark.parametrize(
        ("tokens", "path", "expected"),
        [
            ([TOKEN], "/push", 200),
            ([TOKEN], "/push/wrong", 200),
            (["wrong"], f"/push/{TOKEN}", 403),
            ([TOKEN, TOKEN], "/push", 403),
            ([""], f"/push/{TOKEN}", 403),
            ([], f"/push/{TOKEN}", 200),
        ],
    )
    def test_the_token_in_a_header(self, tokens: list[str], path: str, expected: int) -> None:
        """One header with the token takes the place of the token in the path."""
        headers = [(b"X-Emay-Plain-Token", token.encode()) for token in tokens]
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_token=TOKEN)
        assert run(status(app, text_of(entry()), path=path, headers=headers)) == expected

    def test_encrypted_pushes_need_no_rule(self) -> None:
        """Encrypted pushes are accepted from any address and to any path."""
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS, plain_token=TOKEN)
        assert run(push(app, client=(OUTSIDE, 1))) == SUCCESS

    @pytest.mark.parametrize("client", [INSIDE, OUTSIDE])
    @pytest.mark.parametrize(
        "body", [b"", b"hello", bytes(64), seal(b"[]", OTHER_KEY), encrypt(b"hello", KEY), seal(b"hello")]
    )
    def test_a_body_that_is_neither_encrypted_nor_plain(self, body: bytes, client: str) -> None:
        """A body that is neither encrypted nor plain is answered 400 from any address."""
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS)
        assert run(status(app, body, client=(client, 1))) == 400

    def test_a_plain_push_with_the_looks_of_a_padding_is_read(self) -> None:
        """A plain body that happens to decipher is still recognized, because that is no gzip."""
        fill = "x" * (16 - len(_numbered(0, "")) % 16)
        body = next(one for number in range(10_000) if _deciphers(one := _numbered(number, fill)))
        handler = Handler()
        app = PushReceiver(KEYS, handler, allow_plain=True, plain_networks=NETWORKS)
        assert run(push(app, body)) == SUCCESS
        assert len(handler.done) == 1

    def test_a_plain_push_that_cannot_be_read_is_kept_as_such(self) -> None:
        """The error of a broken plain push is a decoding error, not a decryption error."""
        rejections = Rejections()
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_token=TOKEN, on_rejected=rejections)
        assert run(status(app, b"{not json", path=f"/{TOKEN}")) == 400
        assert [rejected.error.stage for rejected in rejections.kept] == ["decode"]

    def test_large_plain_pushes_are_read_too(self) -> None:
        """The rule holds for bodies that are decoded in a thread, too."""
        body = text_of(*(entry(f"m{number}") for number in range(100)))
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS)
        assert run(push(app, body)) == SUCCESS
        assert run(status(app, body, client=(OUTSIDE, 1))) == 403


def _numbered(number: int, fill: str) -> bytes:
    """Write a plain push whose last bytes depend on the number."""
    return json.dumps({"data": [entry(fill=fill)], "code": f"{number:05}"}).encode()


def _deciphers(body: bytes) -> bool:
    """Tell whether a plain body decrypts to a valid padding."""
    try:
        decrypt(body, KEY)
    except PushError:
        return False
    return True
