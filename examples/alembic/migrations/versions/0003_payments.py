"""payments, captured from their first row on"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("order_id", sa.BigInteger, sa.ForeignKey("shop.orders.id"), nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        schema="shop",
    )
    # What must not leave the database is left out where capture begins.
    op.execute("""SELECT audit.attach('shop.payments', '{"exclude": ["card"]}')""")


def downgrade() -> None:
    op.execute("SELECT audit.detach('shop.payments')")
    op.drop_table("payments", schema="shop")
