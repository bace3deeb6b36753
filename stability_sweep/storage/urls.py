"""Storage URLs: parsing, drivers, and never showing a password."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from stability_sweep.errors import StorageError

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""What a URL without a driver means here."""

EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql"}
"""Which extra installs a driver."""

_EXAMPLES = "sqlite:///study.db, postgresql://user@host/database or mysql://user@host/database"


def parse_url(text: str) -> URL:
    """Read a storage URL, and choose the driver where it names none.

    Raises:
        StorageError: if it is malformed or of a database that we do not support; without the password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise StorageError(f"malformed storage URL {mask_url(text)!r}; expected for example {_EXAMPLES}") from None
    dialect = url.drivername.partition("+")[0]
    if dialect not in _DRIVERS:
        raise StorageError(f"unknown database {url.drivername!r} in {mask_url(text)}; expected for example {_EXAMPLES}")
    if dialect == "sqlite":
        return _with_whole_path(url, text)
    if not url.database:
        raise StorageError(f"{mask_url(text)} names no database; expected for example {_EXAMPLES}")
    if "+" not in url.drivername:
        url = url.set(drivername=_DRIVERS[dialect])
    return url


def _with_whole_path(url: URL, text: str) -> URL:
    """A SQLite URL that names the same file from every working folder."""
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise StorageError(f"{mask_url(text)}: a study needs a SQLite file by its path, for example sqlite:///study.db")
    return url.set(database=str(Path(str(url.database)).resolve()))


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite URL; None for a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def display(url: URL) -> str:
    """The URL as messages and reports may show it: without a password; a file below the working folder is short."""
    path = sqlite_path(url)
    if path is not None and path.is_relative_to(Path.cwd()):
        url = url.set(database=str(path.relative_to(Path.cwd())))
    return mask(url.render_as_string(hide_password=True))


_SECRET = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)
"""What the name of a setting that nobody may read has in it: password, sslpassword, passwd, pwd."""

_QUERY = re.compile(r"(?P<before>[?&;])(?P<key>[^=?&;\s]+)=(?P<value>[^&\s]*)")
_SETTING = re.compile(
    r"(?P<key>[\w.-]{0,40}(?:pass|pwd|secret|token)[\w.-]{0,40}\s{0,5}=\s{0,5})(?!\*\*\*)"
    r"""(?:'[^']*'|"[^"]*"|[^\s&;,]+)""",
    re.IGNORECASE,
)
"""``password=...``, as drivers and the options of a server write it."""


def mask(text: str) -> str:
    """A URL, or any text with one in it, without its passwords.

    A password may hold an @ or a slash; it may stand before the host, in a parameter of its own (``sslpassword``), or
    inside of one (``options=-c%20password%3D...``).
    """
    text = re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", text)
    text = _QUERY.sub(_masked_parameter, text)
    return _SETTING.sub(r"\g<key>***", text)


def mask_url(text: str) -> str:
    """A text that is meant to be one URL, without its passwords, in which there may be spaces too."""
    return mask(re.sub(r"(://[^:/@]*):.*@", r"\1:***@", text, flags=re.DOTALL))


def _masked_parameter(found: re.Match[str]) -> str:
    key, value = (unquote_plus(unquote_plus(found[part])) for part in ("key", "value"))
    # "options=-c search_path=x" may be shown, "options=-c password=x" may not.
    hides = bool(_SECRET.search(key) or (_SECRET.search(value) and "=" in value))
    return f"{found['before']}{found['key']}={'***' if hides else found['value']}"
