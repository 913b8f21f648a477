"""Tests of the conformance suite of a pacer."""
