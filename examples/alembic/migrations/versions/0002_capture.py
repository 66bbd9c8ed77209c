"""capture every change of the schema shop with eider"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def run_file(name: str) -> None:
    text = (Path(__file__).parent.parent / "sql" / name).read_text()
    # On the driver's own cursor: neither SQLAlchemy nor psycopg then looks for parameters in the text.
    op.get_bind().connection.cursor().execute(text)


def upgrade() -> None:
    run_file("eider_install.sql")
    op.execute("SELECT audit.attach('shop.orders')")


def downgrade() -> None:
    run_file("eider_uninstall.sql")
