"""The wire format: requests to bytes, bytes to typed values. Pure: no I/O, no clock, no event loop."""
