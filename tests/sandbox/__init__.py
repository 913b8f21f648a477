"""Tests of the local service: nothing of the client is used here."""
