"""Status reports: getReport requests, the store of reports not yet handed out, and the spool."""
