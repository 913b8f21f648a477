"""Tests of the local service, without code of the client."""
