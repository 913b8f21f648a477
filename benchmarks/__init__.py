"""Speed, measured side by side: ``python -m benchmarks``, or one question, ``python -m benchmarks send``.

Only ratios of interleaved runs count: whatever else the machine does at the time, it does to both.
"""
