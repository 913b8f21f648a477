"""Settings of all tests."""

from hypothesis import settings

# A busy machine is no reason to fail; how fast things are is measured elsewhere.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
