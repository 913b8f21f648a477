"""Speed, measured side by side: ``python -m benchmarks``, or one question, ``python -m benchmarks send``.

Only ratios of interleaved runs count: other load on the machine slows all contestants of a round alike.
"""
