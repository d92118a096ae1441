"""Acts of people on statistics: each in one transaction, with its event."""
