"""Every mark is seen, in light and dark, on the card and on every color of a map."""

from __future__ import annotations

import numpy as np
import pytest
from plotly.colors import sample_colorscale, unlabel_rgb

from stability_sweep.report import theme
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import axis_of
from stability_sweep.space.dimensions import Choices, Range

Color = tuple[float, float, float]

ENOUGH = 3.0
"""WCAG 2.2, 1.4.11: of anything that must be seen to understand a picture."""

ON_CARD = (theme.INK, theme.DANGER, theme.AXIS, theme.CONTEXT, *theme.QUALITATIVE)


def rgb(color: str) -> Color:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue


def luminance(color: Color) -> float:
    """WCAG's relative luminance."""
    parts = [part / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def lightness(color: Color) -> float:
    """L* of CIELAB."""
    ratio = luminance(color)
    return 116 * (ratio ** (1 / 3) if ratio > 216 / 24389 else (24389 / 27 * ratio + 16) / 116) - 16


def blended(color: Color, opacity: float, under: Color) -> Color:
    red, green, blue = (opacity * mine + (1 - opacity) * its for mine, its in zip(color, under, strict=True))
    return red, green, blue


def map_colors() -> list[Color]:
    places = np.linspace(0, 1, 101).tolist()
    return [unlabel_rgb(color) for color in sample_colorscale(theme.SCALE, places)]


def cards() -> tuple[Color, Color]:
    return rgb(theme.CARD), rgb(theme.DARK[theme.CARD])


def test_the_scale_of_a_map_gets_darker_all_the_way_and_evenly() -> None:
    """A quarter once was darker than a half."""
    found = [lightness(color) for color in map_colors()]
    drops = -np.diff(found)
    assert (drops > 0).all()
    assert found[0] - found[-1] > 35
    quarters = -np.diff(found[::25])
    assert quarters.max() < 2.5 * quarters.min()


@pytest.mark.parametrize("color", ON_CARD)
def test_a_mark_on_the_card_is_seen_in_light_and_dark(color: str) -> None:
    light, dark = cards()
    assert contrast(rgb(color), light) >= ENOUGH
    assert contrast(rgb(theme.DARK[color]), dark) >= ENOUGH


@pytest.mark.parametrize("color", theme.QUALITATIVE)
def test_a_broad_bar_is_paler_and_still_seen(color: str) -> None:
    for one, card in zip((color, theme.DARK[color]), cards(), strict=True):
        assert contrast(blended(rgb(one), theme.BAR_OPACITY, card), card) >= ENOUGH


def test_lines_and_outlines_on_a_map_are_seen_on_all_of_its_scale() -> None:
    assert min(contrast(rgb(theme.LINE), under) for under in map_colors()) >= 4.5  # words in cells, too


def test_pale_trials_are_seen_on_all_of_the_scale() -> None:
    colors = map_colors()
    pale = [blended(rgb(theme.LINE), theme.PALE_OPACITY, under) for under in colors]
    assert min(contrast(mark, under) for mark, under in zip(pale, colors, strict=True)) >= ENOUGH


@pytest.mark.parametrize("outcome", list(theme.OUTCOME_STYLE))
def test_a_trial_is_told_from_its_outline_and_seen_on_either_card(outcome: Outcome) -> None:
    fill, outline = rgb(theme.OUTCOME_STYLE[outcome][0]), rgb(theme.LINE)
    light, dark = cards()
    assert contrast(fill, outline) >= ENOUGH
    assert max(contrast(fill, light), contrast(outline, light)) >= ENOUGH
    assert contrast(fill, dark) >= ENOUGH


def test_what_lies_on_a_map_keeps_its_color_in_the_dark() -> None:
    fixed = {theme.LINE, *(color for _, color in theme.SCALE), *(color for color, _ in theme.OUTCOME_STYLE.values())}
    assert not fixed & set(theme.DARK)


def test_no_two_colors_become_one_in_the_dark() -> None:
    assert len(set(theme.DARK.values())) == len(theme.DARK)


def test_a_logarithmic_axis_has_small_ticks_between_the_powers_of_ten() -> None:
    axis = axis_of("learning_rate", Range(low=1e-3, high=1e-1, log=True, off_share=0.1))
    ticks = theme.axis_layout(axis)["minor"]["tickvals"]
    assert ticks == pytest.approx(
        np.log10([2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 8e-3, 9e-3]).tolist()
        + np.log10([2e-2, 3e-2, 4e-2, 5e-2, 6e-2, 7e-2, 8e-2, 9e-2]).tolist(),
        abs=1e-3,
    )
    assert theme.axis_layout(axis_of("batch_size", Choices(choices=(16, 32))))["minor"]["tickvals"] == []
