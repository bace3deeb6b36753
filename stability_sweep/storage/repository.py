"""The one object through which everything else reads and writes a study database."""

from __future__ import annotations

from contextlib import AbstractContextManager

from stability_sweep.storage.results import Results
from stability_sweep.storage.studies import Studies


class Repository(Studies, Results):
    """Studies and results in one database. Safe to use from several processes; not from several threads.

    One object, because whoever needs a study needs its results as well; two modules, because neither half calls the
    other.
    """

    def __str__(self) -> str:
        """Where it is, without the password."""
        return str(self.database)

    @property
    def database_id(self) -> str:
        """Which database it is: no other has this text, and it keeps it wherever it is moved."""
        return self.database.database_id

    @property
    def secret_url(self) -> str:
        """The URL with its password, for another process to open the same database: never to be shown."""
        return self.database.url.render_as_string(hide_password=False)

    def errors(self) -> AbstractContextManager[None]:
        """Within it, errors of drivers, SQLAlchemy and Optuna's storage become a `StorageError` about this database."""
        return self.database.errors()

    def tidy(self) -> None:
        """Forget what belongs to studies and trials that Optuna has deleted, and see to it that none stays again."""
        self.database.tidy()
