"""Tests of the package ``excel``."""
