"""Alembic calls this; the connection comes from db.upgrade, inside its transaction and its lock."""

from alembic import context

from narcis.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
