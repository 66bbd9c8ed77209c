import os

from alembic import context
from sqlalchemy import create_engine


def url() -> str:
    # SQLAlchemy wants to know the driver.
    return os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)


with create_engine(url()).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
