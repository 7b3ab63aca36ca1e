"""Places to run code that nobody has read: one file per kind of isolation, behind one Protocol."""
