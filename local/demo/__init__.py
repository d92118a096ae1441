"""The demo's province: made-up people do months of real work through the services' own doors, in a minute or two."""
