"""Review by people: a sample of tasks on local pages, their labels, and how far reviewers agree."""
