"""Others that are measured beside ours; fetched and compiled when a bench needs them, never part of the platform."""
