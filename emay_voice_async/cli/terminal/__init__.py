"""Standard output, standard error, exit codes, signals, and the settings of a run."""
