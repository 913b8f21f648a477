"""Input and output of the command line: console, formatting, exit codes, signals, settings."""
