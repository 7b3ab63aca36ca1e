"""From candidates to tasks: put the change back, build the environment, run the tests before and after, decide."""
