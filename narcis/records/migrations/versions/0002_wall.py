"""The wall hangs in the order in which pictures came to it; and people agree to be painted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

HANGING = sa.text("place IN ('wall', 'curated')")


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.String(length=36), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="consents_person_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="consents_pkey"),
    )
    op.create_index("consents_person", "consents", ["person", "id"])
    op.drop_index("pictures_wall", table_name="pictures")
    op.create_index("pictures_wall", "pictures", ["placed_at", "id"], sqlite_where=HANGING, postgresql_where=HANGING)
