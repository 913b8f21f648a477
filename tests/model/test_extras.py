"""The sentence for a missing extra."""

from emay_voice_async.model.extras import missing_extra


def test_sentence() -> None:
    """The sentence names the module and the commands for a clone and for an installed package."""
    sentence = missing_extra("uvicorn", "demo")
    assert sentence.startswith("uvicorn is missing: ")
    assert 'python -m pip install ".[demo]"' in sentence
    assert 'python -m pip install "emay_voice_async[demo]"' in sentence
