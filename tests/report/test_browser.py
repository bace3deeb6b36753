"""The report in a real browser: it draws, it sorts, it reports no error and asks the network for nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from stability_sweep.report import analyse_study, write_comparison, write_study_report
from stability_sweep.report.theme import DARK, QUALITATIVE
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Repository
from stability_sweep.targets.rhvae.signals import SIGNALS
from tests.conftest import StudyBuilder, diverges_above, make_definition, make_result
from tests.report.browsing import opened
from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.browser


MAP = "document.querySelector('#maps .plot')"


def visible_kinds(page: Page) -> list[str]:
    """Types of the first map's traces that are seen, without its trials."""
    script = f"{MAP}.data.filter(t => t.visible === true && t.x.length !== 1 && !t.meta.trials).map(t => t.type)"
    kinds: list[str] = page.evaluate(script)
    return sorted(kinds)


def trials_drawn(page: Page) -> dict[str, list[int]]:
    """The numbers of the first map's trials that are seen in full, by outcome; of those that the legend hides, none."""
    script = f"Object.fromEntries({MAP}.data.filter(t => t.meta.trials).map(t => [t.name, t.visible === true"
    script += " ? t.customdata.filter((_, place) => t.marker.size[place] > 6) : []]))"
    found: dict[str, list[int]] = page.evaluate(script)
    return found


def click_legend(page: Page, name: str) -> None:
    """An entry of the first map's legend; Plotly waits whether it becomes a double click."""
    entry = page.locator(f"#maps .plot >> nth=0 >> .legend .traces:has-text('{name}') .legendtoggle")
    for event in ("mousedown", "mouseup"):
        entry.dispatch_event(event)
    page.wait_for_timeout(600)


def test_everything_is_drawn_without_complaint(page: Page, complaints: list[str]) -> None:
    drawn = page.locator("figure.drawn .plot")
    assert drawn.count() >= 9
    assert page.locator("figure.drawn .main-svg").count() >= drawn.count() * 2  # Plotly puts two or more into each
    assert page.locator("#maps .heatmaplayer image, #maps .heatmaplayer .hm").count() >= 3
    assert page.locator("#maps figure >> nth=0").locator(".contourlayer .contour").count() >= 1
    assert page.locator("#time .scatterlayer .trace").count() >= 2
    assert page.locator(".plot.failed").count() == 0
    assert complaints == []


def test_nothing_offers_to_upload_the_figures(page: Page) -> None:
    assert page.locator('[data-title*="cloud" i], [data-title*="Chart Studio" i]').count() == 0


def test_the_toggle_changes_between_model_and_counts(page: Page) -> None:
    assert visible_kinds(page) == ["contour", "contour", "heatmap", "scatter"]  # 50% line and tolerance line
    page.locator("#maps input[value=counts]").first.check()
    assert visible_kinds(page) == ["heatmap"]
    assert sorted(number for numbers in trials_drawn(page).values() for number in numbers) == list(range(30))
    told = page.locator("#maps figcaption").first.inner_text()
    assert told.startswith("Diverged of tried, cell by cell. All 30 trials are drawn")


def test_the_slider_moves_through_the_third_dimension_with_the_keyboard(page: Page) -> None:
    slider = page.locator("#maps input[type=range]").first
    before = page.locator("#maps output").first.inner_text()
    slider.focus()
    page.keyboard.press("ArrowRight")
    after = page.locator("#maps output").first.inner_text()
    assert before != after
    assert slider.get_attribute("aria-valuetext") == after
    shown = page.evaluate("document.querySelector('#maps .plot').data.filter(t => t.visible).map(t => t.meta?.slice)")
    assert {place for place in shown if place is not None} == {int(slider.input_value())}


def test_the_caption_follows_the_slider(page: Page) -> None:
    caption, slider = page.locator("#maps figcaption").first, page.locator("#maps input[type=range]").first
    before = caption.inner_text()
    slider.fill(str(slider.get_attribute("max")))
    after = caption.inner_text()
    assert before != after
    assert "clip norm off" in after
    count = sum(map(len, trials_drawn(page).values()))
    assert f"{count} of 30 trials belong" in after


def test_an_outcome_that_the_legend_hides_stays_hidden_when_the_slider_moves(page: Page) -> None:
    assert trials_drawn(page)["diverged"]
    click_legend(page, "diverged")
    assert trials_drawn(page)["diverged"] == []
    slider = page.locator("#maps input[type=range]").first
    before, start = trials_drawn(page), slider.input_value()
    for place in (str(int(start) + 1), start):
        slider.fill(place)
        assert trials_drawn(page)["diverged"] == []
    assert trials_drawn(page) == before
    assert before["stable"]
    click_legend(page, "diverged")
    assert trials_drawn(page)["diverged"]


def test_the_pointer_shows_the_place_and_its_probability_with_its_band(page: Page) -> None:
    script = f"{MAP}.data.find(t => t.type === 'heatmap' && t.visible === true)"
    assert page.evaluate(f"{script}.text[0][0]").startswith("learning rate 1.")
    assert page.evaluate(f"{script}.text[0][0]").endswith(", batch size 16")
    told = page.evaluate(f"{script}.hovertemplate")
    assert told.startswith("%{text}<br>P(diverge) %{z:.0%}<br>90% band")


def test_a_click_on_a_trial_tells_its_number(page: Page) -> None:
    """Whatever links marks to the table of trials listens to this."""
    plot = page.locator("#maps .plot").first
    plot.scroll_into_view_if_needed()
    page.evaluate(
        f"{MAP}.on('plotly_click', (event) => "
        "{ window.clicked = event.points.map(p => [p.data.meta.trials, p.customdata]); })"
    )
    number = trials_drawn(page)["stable"][0]
    place = page.evaluate(
        f"""(number) => {{
          const plot = {MAP}, trace = plot.data.find(t => t.meta.trials && t.customdata.includes(number));
          const at = trace.customdata.indexOf(number), box = plot.getBoundingClientRect();
          const {{ xaxis, yaxis }} = plot._fullLayout;
          return [box.x + xaxis._offset + xaxis.l2p(trace.x[at]), box.y + yaxis._offset + yaxis.l2p(trace.y[at])];
        }}""",
        number,
    )
    page.mouse.move(place[0], place[1])
    page.wait_for_timeout(300)
    page.mouse.click(place[0], place[1])
    page.wait_for_function("window.clicked", timeout=1000 * HANG_SECONDS)
    assert [True, number] in page.evaluate("window.clicked")


def test_figures_change_their_colors_with_the_theme_and_maps_keep_theirs(page: Page) -> None:
    colors = "[...document.querySelectorAll('#limits .plot')].map(p => p.data[0].line.color)"
    marks = f"{MAP}.data.find(t => t.meta.trials).marker.color"
    light, mark = page.evaluate(colors), page.evaluate(marks)
    assert set(light) <= set(QUALITATIVE)
    page.locator("#theme").click()
    assert page.evaluate(colors) == [DARK[color] for color in light]
    assert page.evaluate(marks) == mark
    page.locator("#theme").click()
    assert page.evaluate(colors) == light


def test_the_table_filters_by_outcome_and_text(page: Page) -> None:
    page.locator("#outcome-filter").select_option("diverged")
    outcomes = set(page.locator("#trial-table td.mark").all_inner_texts())
    assert outcomes == {"diverged"}
    page.locator("#text-filter").fill("no such text")
    assert page.locator("#count").inner_text() == "0 of 30 trials"
    assert page.locator("#trial-table tbody tr").count() == 0


def test_the_table_sorts_by_number_both_ways(page: Page) -> None:
    heads = page.locator("#trial-table th").all_inner_texts()
    place = heads.index("learning rate")
    button = page.locator("#trial-table th button").nth(place)

    def shown() -> list[float]:
        return [float(cell) for cell in page.locator(f"#trial-table tbody td:nth-child({place + 1})").all_inner_texts()]

    button.click()
    assert shown() == sorted(shown())
    button.click()
    assert shown() == sorted(shown(), reverse=True)


def test_a_row_opens_its_trial_with_the_keyboard(page: Page) -> None:
    page.locator("#trial-table button.open").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#trial-table tr.detail .signal").count() == len(SIGNALS)
    assert page.locator("#trial-table tr.detail polyline").count() == len(SIGNALS)
    page.keyboard.press("Enter")
    assert page.locator("#trial-table tr.detail").count() == 0


def test_a_table_can_be_downloaded(page: Page) -> None:
    with page.expect_download() as download:
        page.locator('button[data-csv="speed-limits"]').click()
    assert download.value.suggested_filename == "speed-limits.csv"
    assert Path(download.value.path()).read_text().startswith("batch_size,clip,clip_norm,limit")


def test_dark_and_light_have_readable_text(browser: Browser, report: Path, complaints: list[str]) -> None:
    page = opened(browser, report, complaints, color_scheme="dark")

    def look() -> tuple[str, str, str]:
        script = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor, "
        script += "document.querySelector('#maps .plot').layout.font.color]"
        found: list[str] = page.evaluate(script)
        return found[0], found[1], found[2]

    assert look() == ("rgb(229, 231, 235)", "rgb(17, 24, 39)", "#e5e7eb")
    page.locator("#theme").click()
    assert look() == ("rgb(31, 41, 55)", "rgb(246, 247, 249)", "#1f2937")
    page.close()


def test_the_page_fits_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= 390", timeout=1000 * HANG_SECONDS)


def test_a_comparison_draws_both_studies_on_the_same_axes(
    browser: Browser, repository: Repository, finished_study: StudyBuilder, tmp_path: Path, complaints: list[str]
) -> None:
    space = {"learning_rate": {"low": 1e-4, "high": 1.0, "log": True}, "batch_size": [16, 32]}
    first = finished_study(diverges_above(1e-3), trials=25)
    second = finished_study(
        diverges_above(1e-2), trials=25, definition=make_definition(name="other", search_space=space)
    )
    analyses = [analyse_study(StoredSource(repository, study)) for study in (first, second)]
    write_comparison(tmp_path / "c.html", analyses, storage="here")
    page = opened(browser, tmp_path / "c.html", complaints)
    script = "[...document.querySelectorAll('#maps .plot')].slice(0, 2).map(p => JSON.stringify(p.layout.xaxis.range))"
    ranges = page.evaluate(script)
    assert ranges[0] == ranges[1] == "[-5,0]"
    assert page.locator("#settings td").count() > 0
    assert complaints == []
    page.close()


def test_losses_that_are_not_finite_are_told_apart_and_sorted_last(
    browser: Browser, repository: Repository, finished_study: StudyBuilder, tmp_path: Path, complaints: list[str]
) -> None:
    losses = iter([math.nan, 30.0, math.inf, None, -math.inf, 20.0])
    definition = make_definition(
        search_space={"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "batch_size": 16, "clip_norm": "off"},
        budget={"trials": 6},
    )
    study = finished_study(lambda point: make_result(final_loss=next(losses)), trials=6, definition=definition)
    write_study_report(StoredSource(repository, study), tmp_path / "r.html")
    page = opened(browser, tmp_path / "r.html", complaints)
    heads = page.locator("#trial-table th").all_inner_texts()

    def column(name: str) -> list[str]:
        return page.locator(f"#trial-table tbody td:nth-child({heads.index(name) + 1})").all_inner_texts()

    assert column("final loss") == ["nan", "30", "inf", "–", "-inf", "20"]
    assert set(column("clip norm")) == {"off"}
    button = page.locator("#trial-table th button").nth(heads.index("final loss"))
    button.click()
    assert column("final loss") == ["-inf", "20", "30", "inf", "nan", "–"]
    button.click()
    assert column("final loss") == ["inf", "30", "20", "-inf", "nan", "–"]
    assert complaints == []
    page.close()
