"""Mining: reading a repository's history and finding the landed changes that may become tasks."""
