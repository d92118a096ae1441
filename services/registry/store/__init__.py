"""Tables and queries of the registry. Identity lies in clear in this database only; every query goes by an index.

It must never decide anything: who is who is the domain's to say.
"""
