"""Rosters on their way in: read, looked through, tried out, taken over in chunks, undone; resumed after any stop."""
