"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def only(condition: str) -> dict[str, Any]:
    """Makes an index partial."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "mask_presets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="mask_presets_pkey"),
    )
    op.create_index("mask_presets_name", "mask_presets", ["by", "name"], unique=True)
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="people_pkey"),
        sa.UniqueConstraint("name", name="people_name_key"),
    )
    op.create_table(
        "requesters",
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("served", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("by", name="requesters_pkey"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("batch_key", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("most_tries", sa.Integer(), nullable=False),
        sa.Column("ran_out", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_by", sa.Text(), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("of", sa.Integer(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name=op.f("runs_lease")),
        sa.CheckConstraint("(state IN ('queued', 'running')) = (finished IS NULL)", name=op.f("runs_finished")),
        sa.CheckConstraint("needs IN ('cpu', 'gpu')", name=op.f("runs_needs")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("runs_state")
        ),
        sa.CheckConstraint("most_tries >= 1 AND tries <= most_tries", name=op.f("runs_tries")),
        sa.ForeignKeyConstraint(["parent"], ["runs.id"], name="runs_parent_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="runs_pkey"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("runs_by", "runs", ["by", "id"])
    op.create_index(
        "runs_companions",
        "runs",
        ["job", "batch_key", "priority", "id"],
        **only("state = 'queued' AND batch_key IS NOT NULL"),
    )
    op.create_index("runs_ended", "runs", ["job", "finished"], **only("state = 'succeeded'"))
    op.create_index("runs_job", "runs", ["job", "id"])
    op.create_index("runs_key", "runs", ["by", "key"], unique=True, **only("key IS NOT NULL"))
    op.create_index("runs_parent", "runs", ["parent"], **only("parent IS NOT NULL"))
    op.create_index("runs_running", "runs", ["by"], **only("state = 'running'"))
    op.create_index("runs_waiting", "runs", ["needs", "job", "by", "priority", "id"], **only("state = 'queued'"))
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('visitor', 'operator', 'admin')", name=op.f("users_role")),
        sa.CheckConstraint("tokens >= 0", name=op.f("users_tokens")),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("login", name="users_login_key"),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("needs", sa.JSON(), nullable=False),
        sa.Column("jobs", sa.JSON(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="workers_pkey"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=36), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("refunded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tokens >= 0", name=op.f("orders_tokens")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="orders_person_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="orders_run_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="orders_pkey"),
    )
    op.create_index("orders_by", "orders", ["by", "id"])
    op.create_index("orders_person", "orders", ["person"], **only("person IS NOT NULL"))
    op.create_index("orders_run", "orders", ["run"], unique=True)
    op.create_table(
        "photos",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="photos_person_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="photos_pkey"),
    )
    op.create_index("photos_person", "photos", ["person", "sha256"], unique=True)
    op.create_table(
        "pictures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=36), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("recipe_hash", sa.String(length=64), nullable=False),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("place IN ('production', 'wall', 'curated', 'discarded')", name=op.f("pictures_place")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="pictures_person_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="pictures_run_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pictures_pkey"),
    )
    op.create_index("pictures_person", "pictures", ["person", "id"], **only("person IS NOT NULL"))
    op.create_index("pictures_recipe_hash", "pictures", ["recipe_hash"])
    op.create_index("pictures_run", "pictures", ["run", "n"], unique=True)
    op.create_index("pictures_wall", "pictures", ["id"], **only("place IN ('wall', 'curated')"))
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=36), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tokens >= 0", name=op.f("sessions_tokens")),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="sessions_user_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="sessions_pkey"),
    )
    op.create_index("sessions_expires", "sessions", ["expires"])
    op.create_index("sessions_user", "sessions", ["user"], **only('"user" IS NOT NULL'))
    op.create_table(
        "ticks",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("tick", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="ticks_run_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("job", "tick", name="ticks_pkey"),
    )
    op.create_index("ticks_run", "ticks", ["run"])
