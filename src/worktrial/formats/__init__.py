"""The shapes in which the stages meet: frozen models of every file worktrial writes."""
