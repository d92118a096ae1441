"""Takes events in: from bytes to what the board counts (`counting`) and to what history keeps (`recording`)."""
