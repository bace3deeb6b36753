from __future__ import annotations

import pytest

from stability_sweep.errors import StorageError
from stability_sweep.storage.urls import mask, parse_url


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("sqlite:///study.db", "sqlite"),
        ("postgresql://me@host/db", "postgresql+psycopg"),
        ("postgres://me@host/db", "postgresql+psycopg"),
        ("postgresql+psycopg2://me@host/db", "postgresql+psycopg2"),
        ("mysql://me@host/db", "mysql+pymysql"),
        ("mariadb://me@host/db", "mariadb+pymysql"),
    ],
)
def test_a_url_without_a_driver_gets_the_one_that_we_install(text: str, driver: str) -> None:
    assert parse_url(text).drivername == driver


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hunter2@host/db",
        "could not connect to mysql+pymysql://me:hunter2@host:3306/db?ssl_ca=x today",
        "postgresql://me:hun@ter2@host/db",
        "postgresql://host/db?user=me&password=hunter2&sslmode=require",
        "postgresql://me:hun/ter2@host/db",
        "postgresql://me:hun/te@r2@host/db?sslmode=require",
        "postgresql://me@host/db?sslkey=k.pem&sslpassword=hunter2",
        "mysql://me@host/db?PASSWD=hunter2",
        "postgresql://me@host/db?options=-c%20password%3Dhunter2",
        "postgresql://me@host/db?options=-c+password%3dhunter2&sslmode=require",
        "postgresql://me@host/db?options=-c%2520my.secret%253Dhunter2",
        "postgresql://me@host/db?options=-c password=hunter2",
        "mssql://host/db?odbc_connect=Driver%3DX%3BPWD%3Dhunter2",
        'connection failed: password="hunter2" host=db',
        "invalid dsn: host=db password = 'hun ter2' user=me",
    ],
)
def test_no_part_of_a_password_is_shown(text: str) -> None:
    shown = mask(text)
    assert "hun" not in shown
    assert "ter2" not in shown
    assert "***" in shown


def test_what_is_no_password_is_shown() -> None:
    url = "postgresql://me@host:5432/db?options=-c%20search_path%3Dx&sslmode=require&sslrootcert=/etc/ca.pem"
    assert mask(url) == url


@pytest.mark.parametrize(
    "text",
    ["postgresql://me:hunter2 is my pass@host:port/db", "oracle://me:hun ter2@host/db", "postgresql://me:hunter2@host"],
)
def test_a_url_that_is_refused_shows_no_password(text: str) -> None:
    with pytest.raises(StorageError) as caught:
        parse_url(text)
    assert "hun" not in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_options_pass_through() -> None:
    assert parse_url("postgresql://me@host/db?sslmode=verify-full").query == {"sslmode": "verify-full"}
