"""The conformance suite of a journal, in modules by subject."""
