"""Tests of the pages in a browser; ``nox -s browser`` runs them."""
