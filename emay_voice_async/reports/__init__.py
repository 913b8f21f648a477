"""Status reports: requests for them, the store of those not yet handed out, and the spool."""
