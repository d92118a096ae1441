"""Rosters on their way in: read, looked through, tried out, taken over in chunks, undone; resumed wherever it stopped."""
