"""The basic agent: shell, read, edit and search in a loop over two wire formats."""

from worktrial.agents.basic.agent import Basic

__all__ = ["Basic"]
