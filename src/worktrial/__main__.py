"""`python -m worktrial` is the same as the `worktrial` command."""

from worktrial.cli.main import main

if __name__ == "__main__":
    main()
