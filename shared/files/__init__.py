"""Files as agencies have them, row by row and in constant memory, turned into events by a mapping."""
