"""Sends: batches, the plan, calling hours, and the outcome of each batch."""
