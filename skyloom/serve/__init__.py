"""Making videos for others: an HTTP interface, jobs that survive, an engine for full batches."""
