"""Helpers of the tests: test doubles, worker processes, servers, virtual time."""
