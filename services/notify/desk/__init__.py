"""Where what happened meets the database: decide who is told, make it durable, publish; all in one transaction.

Handlers, pages, the API and the engine all come through here. Nothing is sent here.
"""
