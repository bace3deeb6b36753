"""Outliers and adaptive clipping against their formulas, on numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stability_sweep.engine import TelemetryRecorder, train
from stability_sweep.engine.adaptive_clipping import HistoryClipping, UnitClipping
from stability_sweep.engine.gradient_remedies import GradientRemedies
from stability_sweep.engine.outliers import OutlierRule
from stability_sweep.engine.settings import TrainingConfig
from tests.engine.test_any_trainable import TrainableLine


def config(**overrides: Any) -> TrainingConfig:
    return TrainingConfig(**{"horizon_steps": 100, "learning_rate": 0.1, "batch_size": 8, **overrides})


def parameter(values: Any, gradient: Any) -> Tensor:
    made = torch.tensor(values, requires_grad=True)
    made.grad = torch.tensor(gradient)
    return made


class BatchesWithOutliers(TrainableLine):
    """Every batch from the 21st on that can be divided by 10 is a thousand times as large."""

    def __init__(self, **training: Any) -> None:
        super().__init__(0.05, horizon=40)
        self.training = self.training.model_copy(update={"accumulation_steps": 1, **training})

    def batches(self, seed: int) -> Any:
        for number, batch in enumerate(super().batches(seed), start=1):
            yield 1000 * batch if number > 20 and number % 10 == 0 else batch


def test_the_limit_of_an_outlier_is_that_of_zclip() -> None:
    rule = OutlierRule(config(outlier_gradient="clip", outlier_warmup_steps=2, outlier_z=2.0, outlier_decay=0.9))
    seen = [rule.limit(torch.tensor(norm, dtype=torch.float64)) for norm in (1.0, 3.0, 2.5, 12.0, 2.0)]
    mean, variance = 2.0, 1.0  # of 1 and 3
    mean = 0.9 * mean + 0.1 * 2.5
    variance = 0.9 * variance + 0.1 * (2.5 - mean) ** 2
    z = (12 - mean) / (math.sqrt(variance) + 1e-6)
    limit = mean + 2.0**2 * math.sqrt(variance) / z
    assert [bool(is_outlier) for is_outlier, _ in seen] == [False, False, False, True, False]
    assert seen[3][1].item() == pytest.approx(limit, rel=1e-12)
    assert [seen[place][1].item() for place in (0, 1, 2, 4)] == [1.0, 3.0, 2.5, 2.0]
    mean = 0.9 * mean + 0.1 * limit
    assert rule._mean.item() == pytest.approx(0.9 * mean + 0.1 * 2.0, rel=1e-12)


def test_a_lasting_change_of_scale_is_no_outlier_for_ever() -> None:
    rule = OutlierRule(config(outlier_gradient="skip", outlier_warmup_steps=10))
    generator = np.random.default_rng(0)
    norms = [*generator.uniform(0.5, 1.5, 30), *generator.uniform(5, 15, 400)]
    outliers = [bool(rule.limit(torch.tensor(norm))[0]) for norm in norms]
    assert outliers[30]
    assert not any(outliers[-50:])


def test_an_outlier_is_scaled_to_its_limit_before_the_norm_is_clipped() -> None:
    remedies = GradientRemedies(config(outlier_gradient="clip", outlier_warmup_steps=2, clip_norm=1.5))
    for norm in (1.0, 3.0):
        remedies.treat([parameter([0.0], [norm])], torch.tensor(norm))
    one = parameter([0.0, 0.0], [30.0, 40.0])
    treated = remedies.treat([one], torch.tensor(50.0))
    limit = 2 + 2.5**2 / 48
    assert one.grad is not None
    assert limit > 1.5
    assert one.grad.norm().item() == pytest.approx(1.5, rel=1e-5)
    assert treated.skip is None
    assert (treated.signals["outlier"].item(), treated.signals["clipped"].item()) == (1.0, 1.0)


def test_agc_bounds_every_row_by_its_weights() -> None:
    rows = parameter([[3.0, 4.0], [0.0, 0.0], [30.0, 40.0]], [[6.0, 8.0], [3.0, 4.0], [0.3, 0.4]])
    vector = parameter([0.6, 0.8], [3.0, 4.0])
    share = UnitClipping(config(agc_ratio=0.1, agc_smallest_norm=0.01)).clip([rows, vector])
    assert rows.grad is not None
    assert vector.grad is not None
    assert rows.grad.tolist() == pytest.approx(np.array([[0.3, 0.4], [0.0006, 0.0008], [0.3, 0.4]]), rel=1e-6)
    assert vector.grad.tolist() == pytest.approx([0.06, 0.08], rel=1e-6)
    assert share.item() == 0.75


def test_adagc_bounds_every_parameter_by_its_own_past() -> None:
    rule = HistoryClipping(config(adagc_ratio=1.5, adagc_decay=0.8, adagc_warmup_steps=2))
    norms, shares = [], []
    for first, second in ((4.0, 0.0), (2.0, 0.0), (10.0, 5.0), (1.0, 50.0)):
        both = [parameter([0.0, 0.0], [0.6 * size, 0.8 * size]) for size in (first, second)]
        shares.append(rule.clip(both).item())
        norms.append([one.grad.norm().item() for one in both if one.grad is not None])
    assert shares == [0.0, 0.0, 0.5, 0.5]
    assert norms == [
        pytest.approx([4.0, 0.0]),
        pytest.approx([2.0, 0.0]),
        pytest.approx([3.0, 5.0]),  # 1.5 times the smallest; the other had none before
        pytest.approx([1.0, 7.5]),
    ]
    expected = [0.8 * (0.8 * 2 + 0.2 * 3) + 0.2 * 1, 0.8 * 5 + 0.2 * 7.5]
    assert rule._usual.tolist() == pytest.approx(expected, rel=1e-6)


def test_a_skipped_step_leaves_everything_as_it_was() -> None:
    recorder = TelemetryRecorder()
    settings = {"outlier_gradient": "skip", "outlier_warmup_steps": 10}
    run = train(BatchesWithOutliers(**settings), seed=1, recorder=recorder)
    telemetry = recorder.telemetry()
    outlier, update = telemetry.signal("outlier"), telemetry.signal("update_norm")
    assert {30, 40} <= set(telemetry.steps[outlier == 1])
    assert (update[outlier == 1] == 0).all()
    assert (update[outlier == 0] > 0).all()
    assert run.losses[30] < 1


@pytest.mark.parametrize(
    "remedy",
    [
        {"outlier_gradient": "skip", "outlier_warmup_steps": 10},
        {"outlier_gradient": "clip", "outlier_warmup_steps": 10},
        {"adaptive_clipping": "agc"},
        {"adaptive_clipping": "adagc", "adagc_warmup_steps": 10},
    ],
    ids=lambda remedy: "-".join(map(str, remedy.values())),
)
def test_a_run_that_explodes_without_a_remedy_learns_with_it_and_the_same_way_twice(remedy: dict[str, Any]) -> None:
    without = train(BatchesWithOutliers(), seed=1)
    assert not without.losses.max() < 1e9
    runs, tables = [], []
    for every in (1, 7):
        recorder = TelemetryRecorder()
        trainable = BatchesWithOutliers(accumulation_steps=1, **remedy)
        runs.append(train(trainable, seed=1, read_every_steps=every, recorder=recorder))
        tables.append(recorder.telemetry())
    assert runs[0].losses.tobytes() == runs[1].losses.tobytes()
    assert tables[0].same_bits(tables[1])
    ordinary = [step for step in range(40) if not (step >= 20 and step % 10 == 9)]
    assert runs[0].losses[ordinary].max() < 20
    assert runs[0].losses[0] == without.losses[0]


def test_what_never_acts_changes_no_bit() -> None:
    plain = train(BatchesWithOutliers(clip_norm=1.0), seed=1)
    idle = BatchesWithOutliers(
        clip_norm=1.0, outlier_gradient="clip", outlier_z=1e12, adaptive_clipping="agc", agc_ratio=1e12
    )
    recorder = TelemetryRecorder()
    assert train(idle, seed=1, recorder=recorder).losses.tobytes() == plain.losses.tobytes()
    telemetry = recorder.telemetry()
    assert telemetry.signals[-2:] == ("outlier", "adaptively_clipped")
    assert telemetry.signal("adaptively_clipped").max() == 0
    recorder = TelemetryRecorder()
    train(BatchesWithOutliers(clip_norm=1.0), seed=1, recorder=recorder)
    assert np.array_equal(telemetry.signal("clipped"), recorder.telemetry().signal("clipped"))
