"""The report of a run that is still going on, served on this machine: read-only, and only to this machine's browser."""
