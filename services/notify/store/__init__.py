"""Tables and queries of the notify database. Addresses and secrets lie here sealed only; every statement is whole."""
