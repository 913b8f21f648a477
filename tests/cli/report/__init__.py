"""Tests of the results of a campaign and of their page."""
