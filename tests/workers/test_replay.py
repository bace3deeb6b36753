from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stability_sweep.results.outcome import Outcome
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.storage import Provenance, Repository, StoredStudy
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.reproducer import REPRODUCER
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker, prepare_study
from stability_sweep.workers.provenance import differences, provenance_here
from stability_sweep.workers.replay import Replay, broken_step_bytes, replay
from tests.conftest import make_definition


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


def swept(repository: Repository, images: Images, learning_rate: float, **remedy: object) -> StoredStudy:
    definition = make_definition(
        search_space={"learning_rate": learning_rate, "batch_size": 16},
        budget={"trials": 1},
        training={"horizon_steps": 20, **remedy},
        model={"latent_dim": 16, "n_lf": 1, "eps_lf": 1e-2},
    )
    study = prepare_study(repository, definition)
    Worker(repository, study, PreparedRHVAE(images), StopRequest()).run()
    return study


def replayed(repository: Repository, study: StoredStudy, images: Images, telemetry: Telemetry | None = None) -> Replay:
    trial = repository.trial(study, 0)
    return replay(study, trial, telemetry or repository.telemetry(trial.trial_id), PreparedRHVAE(images))


@pytest.mark.parametrize(("learning_rate", "outcome"), [(1e-3, Outcome.STABLE), (0.1, Outcome.DIVERGED)])
def test_a_replay_here_ends_in_the_same_step_with_the_same_bits(
    repository: Repository, images: Images, learning_rate: float, outcome: Outcome
) -> None:
    study = swept(repository, images, learning_rate)
    done = replayed(repository, study, images)
    assert done.then.outcome is outcome
    assert done.same_end
    assert done.same_bits
    assert done.compared_steps == done.then.steps
    assert done.differences == []
    assert (done.run.broken_step is None) == (outcome is Outcome.STABLE)


@pytest.mark.parametrize(
    "remedy",
    [
        {"rollback_allowance": 3, "rollback_snapshot_steps": 2},
        {"outlier_gradient": "clip", "outlier_warmup_steps": 2},
        {"adaptive_clipping": "adagc", "adagc_warmup_steps": 2},
        {"spike_restart_steps": 5, "spike_window_steps": 3},
    ],
)
def test_a_trial_with_a_remedy_that_acts_is_replayed_to_the_last_bit(
    repository: Repository, images: Images, remedy: dict[str, object]
) -> None:
    done = replayed(repository, swept(repository, images, 0.02, **remedy), images)
    assert done.same_bits
    assert done.compared_steps == done.then.steps
    assert (done.run.rollbacks > 0) == ("rollback_allowance" in remedy)


def test_other_numbers_are_told_from_the_step_in_which_they_begin(repository: Repository, images: Images) -> None:
    study = swept(repository, images, 1e-3)
    telemetry = repository.telemetry(repository.trial(study, 0).trial_id)
    assert telemetry is not None
    telemetry.values[7:, 0] = np.nextafter(telemetry.values[7:, 0], np.inf)
    done = replayed(repository, study, images, telemetry)
    assert done.first_difference == 8
    assert done.same_end
    assert not done.same_bits


def test_places_that_differ_are_named() -> None:
    here = provenance_here(torch.device("cpu"))
    there = Provenance("other:1", "cuda:0", here.threads + 3, "2.6.0", "Another CPU (AVX2)")
    found = differences(there, here)
    assert [line.split(":")[0] for line in found] == ["torch version", "device", "threads", "processor"]
    assert found[0] == f"torch version: 2.6.0 then, {torch.__version__} here"
    assert differences(here, here) == []


def test_a_saved_step_loads_without_pickled_code_and_its_script_breaks(
    repository: Repository, images: Images, tmp_path: Path
) -> None:
    study = swept(repository, images, 0.1)
    done = replayed(repository, study, images)
    path = tmp_path / "it's broken.pt"
    path.write_bytes(broken_step_bytes(PreparedRHVAE(images), done.run))
    saved = torch.load(path, weights_only=True)
    assert saved["step"] == done.here.steps
    assert saved["images"][0].shape == (16, 784)
    assert saved["latent_noise"][0].shape == saved["momentum_noise"][0].shape == (16, 16)
    assert all(weights.isfinite().all() for weights in saved["state_dict"].values())
    script = tmp_path / "broken.py"
    text = REPRODUCER.format(step=done.here.steps, number=0, study="small", file=path.name)
    script.write_text(text)
    assert len(text.splitlines()) <= 11  # a sentence and ten lines
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert "nan" in printed or "inf" in printed or "weight" in printed
