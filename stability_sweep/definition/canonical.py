"""Settings as plain texts: what a fingerprint is taken of, and what two definitions are compared by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SettingDifference:
    """A setting in which two definitions differ."""

    key: str
    mine: str
    """Its value as JSON, or "absent"."""
    theirs: str

    def __str__(self) -> str:
        return f"{self.key}: {self.mine} -> {self.theirs}"


def canonical_json(value: Any) -> str:
    """JSON of which there is one form only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def flattened(value: Any, prefix: str = "") -> dict[str, str]:
    """JSON values by the path of their key, ``table.key``."""
    if isinstance(value, dict):
        flat: dict[str, str] = {}
        for key, item in value.items():
            flat.update(flattened(item, f"{prefix}.{key}" if prefix else key))
        return flat
    return {prefix: json.dumps(value)}
