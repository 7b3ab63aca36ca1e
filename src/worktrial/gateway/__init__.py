"""The recording reverse proxy: the only way out of a sandbox, and the only place with real keys."""
