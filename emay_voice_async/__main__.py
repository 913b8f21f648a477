"""``python -m emay_voice_async``."""

import sys

from emay_voice_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
