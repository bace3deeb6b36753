from __future__ import annotations

import pytest

from stability_sweep.environment import DATABASE_TIMEOUT_VARIABLE, HEARTBEAT_VARIABLE, seconds_from
from stability_sweep.errors import EnvironmentVariableError


@pytest.mark.parametrize("variable", [HEARTBEAT_VARIABLE, DATABASE_TIMEOUT_VARIABLE])
@pytest.mark.parametrize("text", ["abc", "", " ", "inf", "nan", "0", "-1", "1e300", "\x1b[31m"])
def test_a_time_that_cannot_be_used_is_told_in_one_line(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(EnvironmentVariableError) as caught:
        seconds_from(variable, 10.0)
    message = str(caught.value)
    assert message.startswith(f"${variable}: expected seconds above 0 and up to 86400, got ")
    assert "\n" not in message
    assert "\x1b" not in message


def test_a_time_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_VARIABLE, raising=False)
    assert seconds_from(HEARTBEAT_VARIABLE, 10.0) == 10.0
    monkeypatch.setenv(HEARTBEAT_VARIABLE, "0.5")
    assert seconds_from(HEARTBEAT_VARIABLE, 10.0) == 0.5
