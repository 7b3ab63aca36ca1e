"""Where files lie, and how they are written so that a crash loses nothing: suites, runs, caches, git objects."""
