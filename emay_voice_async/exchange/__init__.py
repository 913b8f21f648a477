"""One signed request and its response: transport, retries, and the clock of the service."""
