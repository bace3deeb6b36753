from __future__ import annotations

from stability_sweep.engine.seeds import TrialSeeds, trial_seed


def test_seeds_differ_between_trials_and_between_studies() -> None:
    seeds = {trial_seed(study, number) for study in range(20) for number in range(50)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_seeds_are_the_same_on_every_machine() -> None:
    assert trial_seed(1, 0) == 1641411168
    assert TrialSeeds.of(1) == TrialSeeds.of(1)


def test_each_use_of_randomness_has_its_own_seed() -> None:
    seeds = TrialSeeds.of(1)
    assert len({seeds.initialization, seeds.order, seeds.noise, seeds.validation}) == 4
