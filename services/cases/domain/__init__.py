"""The rules of a case, pure: facts in, decisions and events out. No I/O, no clock, no framework."""
