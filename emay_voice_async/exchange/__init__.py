"""Signed requests and their responses: transport, retries, and the clock of the service."""
