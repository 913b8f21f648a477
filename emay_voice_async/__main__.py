"""``python -m emay_voice_async``."""

import sys

from emay_voice_async.cli import main

sys.exit(main(is_module=True))
