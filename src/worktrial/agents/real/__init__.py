"""What all real agents share: installing, starting inside the sandbox, and reading what they left."""
