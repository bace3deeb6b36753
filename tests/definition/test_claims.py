from __future__ import annotations

import math

import pytest

from stability_sweep.definition.claims import Claim, parse_claim
from stability_sweep.errors import DefinitionError
from stability_sweep.space.dimensions import Point
from tests.conftest import make_definition

POINT: Point = {"learning_rate": 1e-6, "batch_size": 16, "clip_norm": math.inf, "model.activation": "tanh"}


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("learning_rate <= 1e-6 avoids divergence", True),
        ("learning_rate < 1e-6 avoids divergence", False),
        ("learning_rate=1e-6 avoids divergence", True),
        ("learning_rate > 1e-7 and batch_size = 16 avoids divergence", True),
        ("learning_rate > 1e-7 and batch_size >= 32 avoids divergence", False),
        ("batch_size  =  16   avoids  divergence", True),
        ("clip_norm = off avoids divergence", True),
        ("clip_norm <= 1 avoids divergence", False),
        ('model.activation = "tanh" avoids divergence', True),
        ("model.activation >= tanh avoids divergence", False),
    ],
)
def test_a_claim_speaks_about_the_points_that_meet_all_its_conditions(says: str, expected: bool) -> None:
    assert Claim(says=says).holds(POINT) is expected


@pytest.mark.parametrize("says", ["", "batch_size = 16", "batch_size 16 avoids divergence", "= 3 avoids divergence"])
def test_what_is_no_claim_is_told_with_the_form_of_one(says: str) -> None:
    with pytest.raises(ValueError, match=r'expected "DIMENSION <= VALUE \[and ...\] avoids divergence"'):
        parse_claim(says)


@pytest.mark.parametrize(
    ("says", "promise", "follows", "compares"),
    [
        ("batch_size = 16 reduces divergence", "reduces divergence", True, False),
        ("batch_size = 32 allows a larger learning rate", "allows a larger learning rate", False, True),
        ("batch_size = 16 instead of batch_size = 64", "reduces divergence", True, False),
        ("batch_size = 64 instead of batch_size = 16 and clip_norm = off", "reduces divergence", False, True),
        ("clip_norm = 1 instead of clip_norm = off avoids divergence", "avoids divergence", False, True),
    ],
)
def test_a_claim_says_what_it_promises_and_against_what(says: str, promise: str, follows: bool, compares: bool) -> None:
    claim = Claim(says=says)
    assert claim.sentence.promise == promise
    assert (claim.holds(POINT), claim.compares(POINT)) == (follows, compares)


@pytest.mark.parametrize(
    "says", ["clip_norm = off instead of clip_norm = off", "a = 1 and b = 2 instead of b=2 and a=1 reduces divergence"]
)
def test_a_setting_compared_with_itself_is_refused(says: str) -> None:
    with pytest.raises(ValueError, match="expected two different settings, got one that is compared with itself"):
        parse_claim(says)


def test_a_claim_about_something_that_is_not_searched_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"claims\[0\].says: expected a dimension of this study \(learning_rate"):
        make_definition(claims=[{"says": "model.n_lf = 1 avoids divergence"}])


def test_a_larger_learning_rate_is_not_promised_by_a_learning_rate() -> None:
    with pytest.raises(
        DefinitionError, match=r"claims\[0\].says: .* takes conditions on other settings, got learning_rate"
    ):
        make_definition(claims=[{"says": "learning_rate <= 1e-4 allows a larger learning rate"}])


def test_claims_are_no_part_of_the_fingerprint() -> None:
    claims = [{"says": "batch_size = 16 avoids divergence", "source": "a forum"}]
    assert make_definition(claims=claims).fingerprint == make_definition().fingerprint
    assert make_definition(claims=claims).claims[0].source == "a forum"
