"""Alembic's entry, the same for every service: the connection is handed in, the versions lie with the service."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
