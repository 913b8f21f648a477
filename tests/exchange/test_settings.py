"""The arguments of a client: checks, and the environment."""

from typing import Any

import pytest

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.exchange.settings import (
    allowed_numbers,
    check_credential,
    check_pacing,
    checked_product,
    with_environment,
)
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.pacing.local import LocalPacer


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing options come from the environment; a given option takes precedence."""
    for name in ("BASE_URL", "APP_ID", "SECRET_KEY"):
        monkeypatch.setenv(f"EMAY_VOICE_{name}", f"the {name}")
    assert with_environment({"app_id": "given", "timeout": 5.0}) == {
        "base_url": "the BASE_URL",
        "app_id": "given",
        "secret_key": "the SECRET_KEY",
        "timeout": 5.0,
    }
    monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "")
    with pytest.raises(InvalidRequestError, match="EMAY_VOICE_SECRET_KEY: must be set"):
        with_environment({})


def test_credentials() -> None:
    """A credential has no white space around it, and the error does not show the credential."""
    check_credential("secret_key", "0123456789ABCDEF")
    with pytest.raises(InvalidRequestError, match="white space") as caught:
        check_credential("secret_key", "0123456789ABCDEF\n")
    assert "0123456789" not in str(caught.value)


def test_pacing() -> None:
    """Limits and pacer have the right classes."""
    check_pacing(RateLimits(), None)
    check_pacing(RateLimits(), LocalPacer(RateLimits()))
    with pytest.raises(InvalidRequestError, match="rate_limits: must be RateLimits"):
        check_pacing(10, None)
    with pytest.raises(InvalidRequestError, match="pacer: must be a Pacer"):
        check_pacing(RateLimits(), "redis://localhost")


def test_products() -> None:
    """A product is a member of the enum."""
    assert checked_product(Product.JOIN) is Product.JOIN
    wrong: Any = "voice"
    with pytest.raises(InvalidRequestError, match=r"Product\.VOICE or Product\.JOIN"):
        checked_product(wrong)


def test_allowed_numbers() -> None:
    """The allowed numbers are checked with their positions."""
    assert allowed_numbers(None) is None
    assert allowed_numbers(["13800000000", "13800000000"]) == frozenset({"13800000000"})
    with pytest.raises(InvalidRequestError, match="at position 1"):
        allowed_numbers(["13800000000", "1380000000"])
    with pytest.raises(InvalidRequestError, match="must be a collection"):
        allowed_numbers("13800000000")
