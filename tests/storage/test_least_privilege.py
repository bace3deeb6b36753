"""A worker needs no right to change the schema once the tables exist; TLS options reach the driver."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import torch
from sqlalchemy import create_engine, make_url, text

from stability_sweep.errors import StorageError
from stability_sweep.storage import Database, Repository
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker
from tests.conftest import make_definition

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("storage_url", ["postgresql"], indirect=True)]

GRANTS = (
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
)
"""As docs/share-a-database.md says."""


@pytest.fixture
def role(storage_url: str) -> Iterator[str]:
    """A role without any right; dropped afterwards."""
    engine = create_engine(storage_url, isolation_level="AUTOCOMMIT")
    name = f"sweeper_{uuid.uuid4().hex[:8]}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
    yield name
    with engine.connect() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


def test_a_worker_with_rights_on_rows_alone_finishes_a_study(storage_url: str, role: str) -> None:
    database = Database.open(storage_url, create=True)
    Repository(database).create_study(make_definition(), "digits")
    with database.engine.begin() as connection:
        for statement in GRANTS:
            connection.execute(text(statement.format(role=role)))
    database.close()
    own = Database.open(make_url(storage_url).set(username=role, password="secret").render_as_string(False))
    repository = Repository(own)
    with pytest.raises(StorageError, match="permission denied"), own.session() as session:
        session.execute(text("CREATE TABLE mine (id integer)"))
    study = repository.get_study("small")
    images = load_images(study.effective_definition.settings["data"], None, torch.device("cpu"))
    assert Worker(repository, study, PreparedRHVAE(images), StopRequest()).run() == 4
    assert repository.summary(study).finished == 4
    own.close()


def test_tls_options_of_the_url_reach_the_driver(storage_url: str, role: str) -> None:
    url = make_url(storage_url).set(username=role, password="secret", query={"sslmode": "require"})
    with pytest.raises(StorageError, match="server does not support SSL") as caught:
        Database.open(url.render_as_string(False))
    assert "secret" not in str(caught.value)
