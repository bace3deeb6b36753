from __future__ import annotations

import pytest

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
    ],
)
def test_no_part_of_a_password_is_shown(text: str) -> None:
    shown = mask(text)
    assert "hun" not in shown
    assert "ter2" not in shown
    assert "***" in shown


def test_options_pass_through() -> None:
    assert parse_url("postgresql://me@host/db?sslmode=verify-full").query == {"sslmode": "verify-full"}
