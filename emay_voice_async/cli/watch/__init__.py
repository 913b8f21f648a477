"""A campaign as it runs, as a page in the browser: ``emay-voice watch``."""
