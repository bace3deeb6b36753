from __future__ import annotations

import math
from pathlib import Path

import pytest

from stability_sweep.definition.files import load_definition
from stability_sweep.definition.study import StudyDefinition, define
from stability_sweep.errors import DefinitionError
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.targets.rhvae.target import RHVAETarget
from tests.conftest import DEFINITION_TOML, ROOT, make_definition, trial_config

RATE = "learning_rate = { low = 1e-5, high = 1e-1, log = true }"


def error_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load_definition(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[training]", "[training", "not valid TOML: "),
        (
            "horizon_steps",
            "horizn_steps",
            "training.horizn_steps: unknown key; did you mean 'horizon_steps'? allowed: ",
        ),
        ("[sampler]", "[sampling]", "sampling: unknown key; did you mean 'sampler'? allowed: name, description"),
        ("high = 1e-1", "high = 1e-9", "search_space.learning_rate: low must be smaller than high, got low = 1e-05"),
        ("low = 1e-5", "low = 0.0", "search_space.learning_rate: a log range must start above 0, got low = 0.0"),
        ("low = 1e-5, high = 1e-1, log = true", "low = -1.0, high = 1.0", "learning_rate.low: must be greater than 0"),
        (RATE, f"{RATE}\nclip_norm = 0.0", "search_space.clip_norm.choices[0]: must be greater than 0, got 0.0"),
        (RATE, f"{RATE}\nclip_norm = [-1.0, 'off']", "clip_norm.choices[0]: must be greater than 0, got -1.0"),
        (RATE, 'learning_rate = "off"', "learning_rate.choices[0]: expected a finite number, got inf"),
        (RATE, f"{RATE}\n'model.n_leapfrog' = 3", "search_space.model.n_leapfrog: no such dimension; allowed: "),
        ("[16, 64]", "[8, 64]", "batch_size.choices[0]: batch sizes start at 16, got 8, because"),
        ("[16, 64]", "[16, 201]", "one step takes batch_size x accumulation_steps = 201 images, but there are 200"),
        ("[16, 64]", "[16, 16]", "search_space.batch_size: every choice must be listed once"),
        ("horizon_steps = 5", "horizon_steps = 'five'", "training.horizon_steps: expected a whole number, got 'five'"),
        ("horizon_steps = 5", "", "training: expected one of horizon_steps and horizon_epochs, got neither"),
        ('"random"', '"radnom"', "name: expected one of 'boundary', 'qmc', 'random', 'grid', 'tpe', got 'radnom'"),
        ("trials = 4", "trials = 0", "budget.trials: must be greater than or equal to 1, got 0"),
        ('"small"', '"<script>"', "name: a study name is 1 to 100 letters, digits"),
        ('"small"', '"a/b"', "name: a study name is 1 to 100 letters, digits"),
        (
            "training_images = 200",
            "training_images = 1800",
            "data: training_images + validation_images must be at most",
        ),
        (RATE, RATE.replace("log = true", "log = true, off_share = 0.1"), "off_share: this dimension cannot be off"),
        (RATE, f"{RATE}\nclip_norm = {{ low = 0.1, high = 1e35, log = true, off_share = 0.9 }}", "axis too long"),
        (RATE, "learning_rate = []", "learning_rate: expected at least one choice, got an empty list"),
        (
            RATE,
            f"{RATE}\nclip_norm = [1.0, inf]",
            'clip_norm[1]: expected a finite number, a text ("off", for clipping)',
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in DEFINITION_TOML
    told = error_of(tmp_path, DEFINITION_TOML.replace(old, new, 1))
    assert message in told
    assert "\n" not in told


def test_every_mistake_gets_a_line_of_its_own(tmp_path: Path) -> None:
    told = error_of(tmp_path, DEFINITION_TOML.replace("trials = 4", "trials = 0").replace("seed = 7", "seed = -1"))
    assert len(told.splitlines()) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_definition(tmp_path / "nowhere.toml")


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DefinitionError, match="expected a TOML file in UTF-8"):
        load_definition(path)


def test_the_file_name_is_the_default_study_name(tmp_path: Path) -> None:
    path = tmp_path / "my-study.toml"
    path.write_text("[training]\nhorizon_steps = 5\n")
    assert load_definition(path).name == "my-study"


def test_small_batches_are_allowed_when_the_definition_says_so() -> None:
    definition = make_definition(allow_small_batches=True, search_space={"batch_size": [1, 16]})
    assert trial_config(definition, {"learning_rate": 1e-3, "batch_size": 1, "clip_norm": 1.0}).training.batch_size == 1


def test_a_step_that_needs_more_images_than_there_are_is_refused_over_all_dimensions(tmp_path: Path) -> None:
    told = error_of(tmp_path, DEFINITION_TOML.replace("[16, 64]", '[16, 64]\n"training.accumulation_steps" = [1, 8]'))
    assert "at the largest values, one step takes batch_size x accumulation_steps = 512 images" in told


def test_a_range_of_a_real_setting_is_real_and_one_of_a_whole_setting_is_whole() -> None:
    space = make_definition(
        search_space={"clip_norm": {"low": 1, "high": 3}, "batch_size": {"low": 16, "high": 64}}
    ).search_space
    assert isinstance(space["clip_norm"].extremes()["low"], float)
    assert isinstance(space["batch_size"].extremes()["low"], int)


def test_a_study_of_another_version_is_told_in_one_line() -> None:
    text = make_definition().to_json().replace('"latent_dim"', '"latent_dims"')
    with pytest.raises(DefinitionError, match="another version of stability-sweep wrote this study: ") as caught:
        StudyDefinition.from_json(text)
    assert "\n" not in str(caught.value)


def test_the_default_search_space_is_the_documented_one() -> None:
    definition = define(name="bare", training={"horizon_steps": 5})
    space = {name: dimension.model_dump() for name, dimension in definition.search_space.items()}
    assert space["learning_rate"] == {"low": 1e-6, "high": 1e-1, "log": True, "off_share": 0.0}
    assert space["batch_size"] == {"choices": (16, 32, 64, 128, 256, 512, 1024)}
    assert space["clip_norm"] == {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2}


def test_a_definition_survives_the_database() -> None:
    definition = make_definition()
    assert StudyDefinition.from_json(definition.to_json()) == definition


def test_the_fingerprint_ignores_order_description_and_budget_size_only(tmp_path: Path) -> None:
    definition = make_definition()
    same = make_definition(description="other words", budget={"trials": 99})
    assert same.fingerprint == definition.fingerprint
    for change in ({"seed": 8}, {"budget": {"repeats": 2}}, {"training": {"horizon_steps": 6}}):
        assert make_definition(**change).fingerprint != definition.fingerprint


def test_differences_name_key_and_both_values() -> None:
    other = make_definition(training={"horizon_steps": 6}, seed=8)
    assert [str(line) for line in make_definition().differences(other)] == [
        "seed: 7 -> 8",
        "training.horizon_steps: 5 -> 6",
    ]


def test_a_point_reaches_training_and_model() -> None:
    definition = make_definition(
        search_space={"batch_size": 32, "model.eps_lf": [1e-3, 1e-2], "training.warmup_steps": [0, 3]}
    )
    config = trial_config(
        definition,
        {
            "learning_rate": 0.5,
            "batch_size": 32,
            "clip_norm": math.inf,
            "model.eps_lf": 1e-3,
            "training.warmup_steps": 3,
        },
    )
    assert (config.training.learning_rate, config.training.batch_size) == (0.5, 32)
    assert math.isinf(config.training.clip_norm)
    assert config.model.eps_lf == 1e-3
    assert config.training.warmup_steps == 3


def test_a_grid_budget_beyond_the_grid_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"this grid has 60 points x 1 repeats = 60 trials, got 61"):
        make_definition(sampler={"name": "grid"}, budget={"trials": 61})


def test_epochs_make_more_steps_of_small_batches() -> None:
    definition = make_definition(training={"horizon_epochs": 2.0, "accumulation_steps": 2})
    small = trial_config(definition, {"learning_rate": 1e-3, "batch_size": 16}).training
    large = trial_config(definition, {"learning_rate": 1e-3, "batch_size": 64}).training
    assert small.horizon(200) == 2 * (200 // 32)
    assert large.horizon(200) == 2 * (200 // 128)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda path: path.name)
def test_the_shipped_definitions_are_valid(path: Path) -> None:
    assert load_definition(path).name.replace("_", "-") == path.stem.replace("_", "-")


def test_the_full_study_is_the_one_that_was_promised() -> None:
    definition = load_definition(ROOT / "studies" / "rhvae_mnist.toml")
    assert definition.settings["model"].latent_dim == 16
    assert definition.budget.repeats == 3
    # Below 1e-6, or no trial could speak about the advice "learning_rate <= 1e-6".
    assert definition.search_space["learning_rate"].extremes() == {"low": 1e-7, "high": 1e-1}
    assert len(definition.claims) == 5
    assert list(definition.search_space["batch_size"].extremes().values()) == [16, 32, 64, 128, 256, 512, 1024]


def test_a_new_definition_walks_the_boundary() -> None:
    assert define(name="new", training={"horizon_steps": 5}).sampler.name == "boundary"


def test_a_precision_may_change_and_needs_a_learning_rate_in_decades() -> None:
    asked = make_definition(budget={"trials": 4, "precision": 0.1})
    assert asked.fingerprint == make_definition().fingerprint
    with pytest.raises(DefinitionError, match=r"budget\.precision: the 50% line is measured in decades"):
        make_definition(
            budget={"trials": 4, "precision": 0.1}, search_space={"learning_rate": [1e-3, 1e-2], "batch_size": 16}
        )
    with pytest.raises(DefinitionError, match="greater than 0"):
        make_definition(budget={"trials": 4, "precision": 0.0})


def test_a_precision_needs_no_other_role_than_the_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RHVAETarget, "roles", {LEARNING_RATE: "learning_rate"})
    assert make_definition(budget={"trials": 4, "precision": 0.1}).budget.precision == 0.1
    monkeypatch.setattr(RHVAETarget, "roles", {BATCH_SIZE: "batch_size"})
    with pytest.raises(DefinitionError, match="the target 'rhvae' has no dimension with that role; leave the key out"):
        make_definition(budget={"trials": 4, "precision": 0.1})
