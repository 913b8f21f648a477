"""One campaign on the command line: options, lists, plan, confirmation, progress, summary."""
