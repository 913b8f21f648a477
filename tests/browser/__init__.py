"""Tests of the pages in a browser, and of the control API by a fuzzer; ``nox -s browser`` runs them."""
