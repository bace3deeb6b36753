"""A wrong password is told in one line, and never shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text

from stability_sweep.errors import StorageError
from stability_sweep.storage import Database
from tests.servers import OwnPostgresql

RIGHT, WRONG = "correct-horse", "battery-staple"


def check(url: str) -> None:
    """The right password opens the database, a wrong one is refused without a sign of it."""
    Database.open(make_url(url).set(password=RIGHT).render_as_string(False), create=True).close()
    with pytest.raises(StorageError) as caught:
        Database.open(make_url(url).set(password=WRONG).render_as_string(False))
    message = str(caught.value)
    assert "\n" not in message
    assert WRONG not in message
    assert any(words in message for words in ("password authentication failed", "Access denied"))
    assert "***" in message


@pytest.mark.slow
@pytest.mark.postgres
def test_a_wrong_password_for_postgresql(own_postgresql: OwnPostgresql) -> None:
    engine = create_engine(
        make_url(own_postgresql.url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE guest LOGIN SUPERUSER PASSWORD '{RIGHT}'"))
    engine.dispose()
    own_postgresql.ask_for_passwords("guest")
    check(make_url(own_postgresql.url).set(username="guest").render_as_string(False))


@pytest.fixture
def guest(storage_url: str) -> Iterator[str]:
    """The URL of a MySQL database with a user who has a password; dropped afterwards."""
    name = f"guest_{uuid.uuid4().hex[:8]}"
    engine = create_engine(make_url(storage_url).set(drivername="mysql+pymysql"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{RIGHT}'"))
        connection.execute(text(f"GRANT ALL ON {engine.url.database}.* TO '{name}'@'127.0.0.1'"))
    yield make_url(storage_url).set(username=name).render_as_string(False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP USER '{name}'@'127.0.0.1'"))
    engine.dispose()


@pytest.mark.mysql
@pytest.mark.parametrize("storage_url", ["mysql"], indirect=True)
def test_a_wrong_password_for_mysql(guest: str) -> None:
    check(guest)
