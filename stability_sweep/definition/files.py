"""Reading definitions and claims from TOML files."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from stability_sweep.definition.claims import Claim
from stability_sweep.definition.study import StudyDefinition, validate_json
from stability_sweep.definition.toml_file import read_toml
from stability_sweep.errors import DefinitionError
from stability_sweep.mistakes import describe_validation_error


def load_definition(path: Path) -> StudyDefinition:
    """Read a TOML file; the study takes the file's name if the definition gives none.

    Raises:
        DefinitionError: if the file cannot be read, is no TOML, or holds what is not allowed. The message has one
            line per mistake, each with the file, the key and what is allowed.
    """
    raw = read_toml(path)
    raw.setdefault("name", path.stem)
    # Through JSON, so that a definition means the same whether it comes from a file or from the database.
    return validate_json(json.dumps(raw, default=str), source=str(path))


def load_claims(path: Path) -> tuple[Claim, ...]:
    """Read the ``[[claims]]`` of a TOML file; whatever else it holds is not looked at.

    Raises:
        DefinitionError: as for `load_definition`, and if there is none.
    """
    raw = read_toml(path).get("claims", [])
    if not isinstance(raw, list) or not raw:
        raise DefinitionError(f'{path}: expected at least one [[claims]] table with says = "...", got none')
    try:
        return tuple(Claim.model_validate(entry) for entry in raw)
    except ValidationError as error:
        mistake = describe_validation_error(error, Claim)[0].line
        raise DefinitionError(f"{path}: claims: {mistake}") from error
