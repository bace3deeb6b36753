from __future__ import annotations

from typing import Any

import pytest
import torch

from stability_sweep.engine.schedule import LearningRateSchedule, build_optimizer
from stability_sweep.engine.settings import TrainingConfig


def config(**overrides: Any) -> TrainingConfig:
    return TrainingConfig(**{"horizon_steps": 100, "learning_rate": 1.0, "batch_size": 16, **overrides})


def test_warm_up_grows_linearly_to_the_full_rate() -> None:
    schedule = LearningRateSchedule(config(warmup_steps=3), horizon=100)
    assert [schedule.rate(step) for step in range(1, 6)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_cosine_falls_from_the_full_rate_towards_zero() -> None:
    schedule = LearningRateSchedule(config(schedule="cosine"), horizon=100)
    assert schedule.rate(1) == 1.0
    assert schedule.rate(51) == pytest.approx(0.5)
    assert 0 < schedule.rate(100) < 0.001


def test_plateau_reduces_after_patience_and_counts_anew() -> None:
    schedule = LearningRateSchedule(config(schedule="plateau", plateau_patience_steps=2), horizon=100)
    rates = []
    for loss in (5.0, 6.0, 6.0, 6.0, 6.0, 4.0, 4.0):
        schedule.observe(loss)
        rates.append(schedule.rate(50))
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_constant_ignores_the_loss() -> None:
    schedule = LearningRateSchedule(config(), horizon=100)
    for _ in range(500):
        schedule.observe(1.0)
    assert schedule.rate(99) == 1.0


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_the_optimizer_is_the_one_that_is_named(name: str, kind: type[torch.optim.Optimizer]) -> None:
    optimizer = build_optimizer(torch.nn.Linear(1, 1), config(optimizer=name, weight_decay=0.5, momentum=0.9))
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.5
    assert optimizer.param_groups[0].get("momentum", 0.9) == 0.9
