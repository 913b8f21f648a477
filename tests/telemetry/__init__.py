"""Tests of ``emay_voice_async.telemetry``."""
