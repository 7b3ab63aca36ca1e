"""worktrial: give coding agents a work trial on your own code."""

__version__ = "0.1.0"
