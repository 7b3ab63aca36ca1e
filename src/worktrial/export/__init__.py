"""A run's trials in the shapes of other tools. Rows are streamed: a run of any size takes the memory of one trial."""
