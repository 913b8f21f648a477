"""The conformance suite of a pacer, in modules by subject."""
