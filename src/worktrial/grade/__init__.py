"""Grading: the agent's patch in a fresh copy, the team's own tests over it, and a verdict."""
