"""How events come in, are handled once, and go out: outbox, relay, inbox, consumers, parked keys, dead letters.

Import from the modules; this package stays empty so that privacy may stand on the outbox, and consumers on privacy.
"""
