"""The stability report of one study: which panels there are and what they say."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from stability_sweep import __version__
from stability_sweep.analysis import Analysis, Proportion, divergence_by_band
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.analysis.maps import mapped_dimensions
from stability_sweep.analysis.speed_limit import limit_in_words
from stability_sweep.analysis.study import file_name
from stability_sweep.report import map_words, panels, words
from stability_sweep.report.maps import (
    MOST_DRAWN,
    MOST_SOLID,
    slice_labels,
    solid_view,
    stability_map,
    trials_on_slices,
)
from stability_sweep.report.page import (
    KeyFigure,
    PageContext,
    Panel,
    Section,
    Table,
    figure_panel,
    write_page,
)
from stability_sweep.report.payload import MOST_DETAILED, listed_trials, payload
from stability_sweep.report.summary import summary_sentences
from stability_sweep.space.axes import format_value

METHOD = [
    ("P(diverge)", "A Gaussian-process classifier with a logistic link and Laplace's approximation (Rasmussen and "
     "Williams, Gaussian Processes for Machine Learning, 2006, chapter 3). Logarithmic ranges count in decades, "
     "choices by their order, \"off\" has a coordinate of its own. Bands are 90% credible bands."),
    ("Counts", "Shares come with Wilson's 95% interval (J. Am. Stat. Assoc. 22, 1927). Failed trials count nowhere."),
    ("Time to divergence", "Kaplan-Meier estimates with 95% bands; a trial that reached its horizon is censored "
     "there. Beyond the horizon the hazard of the second half of the steps is assumed to go on."),
    ("Effects", "Cox's proportional hazards model with Efron's ties; importance by permutation in a random forest on "
     "held-out folds."),
    ("Speed limit", "The smallest learning rate at which the posterior median of P(diverge) passes the tolerance; its "
     "band from joint posterior draws. \"None is safe\" and \"not reached\" are said where the whole band says so; "
     "otherwise the limit is unknown."),
    ("Claims", "Supported: the 95% interval of the share that diverged lies at or under the tolerance. Contradicted: "
     "above it. Otherwise there is not enough evidence. True, but useless: it would be supported, but at least nine "
     "tenths of the trials under it did not learn."),
]  # fmt: skip


def write_report(
    path: Path,
    analysis: Analysis,
    *,
    storage: str,
    details: dict[int, dict[str, Any]] | None = None,
    refresh_seconds: int | None = None,
) -> None:
    """Write the stability report of a study.

    Args:
        path: the HTML file. Its folder is made if need be; an older report is replaced only by a complete new one.
        analysis: the study in numbers.
        storage: where the study lives, without a password.
        details: telemetry and autopsies of trials, from `payload.trial_details`.
        refresh_seconds: how often the page loads itself anew.

    Raises:
        OutputError: if the file cannot be written.
    """
    study = analysis.study
    context = PageContext(
        name=study.name,
        description=study.description,
        notice=study.notice,
        sentences=summary_sentences(study, analysis.frame),
        key_figures=_key_figures(analysis),
        sections=report_sections(analysis),
        trials_text=_trials_text(analysis.frame) + _unreadable(details or {}),
        method=METHOD,
        appendix=_appendix(analysis.frame),
        definition_json=json.dumps(json.loads(study.definition_json), indent=2),
        fingerprint=study.fingerprint,
        storage=storage,
        version=__version__,
        created_at=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        refresh_seconds=refresh_seconds,
        payload=Markup(payload(analysis.frame, analysis.tables(), details or {}, analysis.study.space)),
    )
    write_page(path, context)


def report_sections(analysis: Analysis) -> list[Section]:
    """The parts of a report that have something to show, in order."""
    trials = analysis.trials
    sections = [
        _maps(analysis, trials), _time(analysis), _limits(analysis), _effects(analysis), _claims(analysis),
        _origins(analysis), _best(analysis, trials),
    ]  # fmt: skip
    return [section for section in sections if section.panels]


def _key_figures(analysis: Analysis) -> list[KeyFigure]:
    trials = analysis.trials
    share, failed = Proportion.diverged(trials), len(analysis.frame) - len(trials)
    low, high = share.interval
    limit, best = words.default_limit(analysis), analysis.best
    figures = [
        KeyFigure(str(len(trials)), "trials", f"{failed} failed, not counted" if failed else ""),
        KeyFigure(
            f"{share.value:.0%}" if share.total else "–",
            "diverged",
            f"{share.count} of {share.total}, {words.horizon_in_words(trials, analysis.study)}; 95% interval "
            f"{low:.0%} to {high:.0%}",
        ),
    ]
    if limit is None:
        figures.append(KeyFigure("–", "speed limit", "not to be told"))
    else:
        said, _, band = limit_in_words(limit).partition(" (")
        value, _, reason = said.partition(": ")
        details = [
            f"largest learning rate with P(diverge) at most {analysis.tolerance:.0%}, clip norm {limit['clip']}",
            reason, band.rstrip(")"), baseline_in_words(analysis.study.space, analysis.study.space.core),
        ]  # fmt: skip
        label = f"speed limit at batch size {limit['batch_size']}"
        figures.append(KeyFigure(value, label, "; ".join(detail for detail in details if detail)))
    if best.empty:
        figures.append(KeyFigure("–", "best stable setting", "none is known to be safe"))
    else:
        row = best.iloc[0]
        figures.append(
            KeyFigure(
                format_value(float(row["learning_rate"])),
                "learning rate of the best stable setting",
                f"{words.setting_in_words(row, analysis.study.space)}; validation loss {row['validation_loss']:.4g}",
            )
        )
    verdict, _, scores = words.trust_in_words(analysis.quality).partition(": ")
    skill = _skill(analysis.quality)
    figures.append(KeyFigure(skill, "of the uncertainty explained", f"{verdict}; {scores}"))
    return figures


def _skill(quality: pd.DataFrame) -> str:
    if quality.empty:
        return "–"
    row = quality.set_index("score").loc["log loss"]
    return f"{max(0.0, 1 - row['model'] / row['base_rate']):.0%}"


def _maps(analysis: Analysis, trials: pd.DataFrame) -> Section:
    axes = analysis.study.space.searched
    names = mapped_dimensions(analysis.study.space, analysis.importance["dimension"].tolist())
    models = {(pair.x.name, pair.y.name): pair for pair in analysis.maps}
    shown = []
    for x, y in itertools.combinations(names, 2):
        model = models.get((x, y))
        on_slices = trials_on_slices(trials, model)
        shown.append(
            figure_panel(
                f"{axes[x].title} × {axes[y].title}",
                f"{map_words.map_finding(model, axes[x], axes[y], analysis.study.space)} "
                f"{map_words.slice_finding(model, on_slices, len(trials))}",
                stability_map(trials, axes[x], axes[y], model),
                f"map-{file_name(x)}-{file_name(y)}" if model else "",
                slices=slice_labels(model, on_slices) if model else [],
                slice_title=model.third.title if model and model.third else "",
                has_model=model is not None,
            )
        )
    if not analysis.solid.empty and trials["outcome"].nunique() > 1:
        shown.append(
            figure_panel(
                "All three at once",
                map_words.solid_finding(
                    analysis.solid, analysis.study.space, drawn=min(len(trials), MOST_SOLID), total=len(trials)
                ),
                solid_view(analysis.solid, trials, axes),
            )
        )
    left = [axes[name].title for name in axes if name not in names]
    text = (
        "The model's P(diverge), with the 50% line and its 90% band; trials on top, by outcome. The slider moves "
        "through the dimension that a map does not show, and every trial is drawn on the slice nearest to it; "
        '"raw counts" shows what was counted, with the trials of all slices.'
    )
    if len(trials) > MOST_DRAWN:
        text += f" Of {len(trials)} trials, {MOST_DRAWN} random ones are drawn; all are counted."
    if left:
        text += f" Dimensions without a map of their own stand at the baseline: {', '.join(left)}."
    if len(axes) == 1:
        text = "Only one dimension is searched, so there is no map; the panels below say what the trials say."
        (name,) = axes
        band = divergence_by_band(analysis.frame, axes[name])
        shown = [_counts_panel(band, axes[name].title, f"counts-{file_name(name)}")]
    return Section("maps", "Stability maps", text, shown)


def _counts_panel(table: pd.DataFrame, title: str, csv: str) -> Panel:
    columns = {"label": title, "diverged": "diverged", "total": "trials", "fraction": "share", "low": "95% from",
               "high": "to"}  # fmt: skip
    return Panel(f"Diverged by {title}", "Counts with Wilson's 95% intervals.", csv, table=Table.of(table, columns))


def _time(analysis: Analysis) -> Section:
    axes = analysis.study.space.searched
    shown = []
    for name, curves in analysis.survival.items():
        if curves.empty:
            continue
        title = axes[name].title
        shown.append(
            figure_panel(
                f"by {title}",
                words.survival_finding(curves, axes[name]),
                panels.survival_figure(curves, title),
                f"survival-{file_name(name)}",
            )
        )
    if analysis.hazards and shown:
        name = next(iter(analysis.hazards))
        columns = {"label": axes[name].title, "trials": "trials", "events": "diverged", "steps": "steps trained",
                   "hazard": "per 1,000 steps", "low": "95% from", "high": "to"}  # fmt: skip
        shown.append(
            Panel(
                "Hazard", "Divergences per 1,000 steps trained, with exact Poisson intervals.",
                f"hazard-{file_name(name)}", table=Table.of(analysis.hazards[name], columns),
            )
        )  # fmt: skip
        shown.append(_horizon_panel(analysis.horizons[name], axes[name].title, f"horizon-{file_name(name)}"))
    text = (
        "The share of trials that are still finite, by step. A trial that ended well says nothing about later steps, "
        "so it is counted until its horizon and no further."
    )
    return Section("time", "How soon it diverges", text, shown)


def _horizon_panel(table: pd.DataFrame, title: str, csv: str) -> Panel:
    kinds = [
        "nobody lived that long" if math.isnan(p) else "extrapolated" if e else "observed"
        for p, e in zip(table["probability"], table["is_extrapolated"], strict=True)
    ]
    shown = table.assign(kind=kinds)
    columns = {"label": title, "horizon_steps": "steps", "probability": "P(diverge)", "low": "95% from", "high": "to",
               "kind": "from"}  # fmt: skip
    return Panel(
        "And in a longer run?",
        "P(diverge) at this study's horizon and at ten times as many steps. What is extrapolated assumes that "
        "the hazard of the second half of the steps goes on; where training calms down it is too high. Where no trial "
        "was left at the end, there is no hazard to go on: P(diverge) is at least what it was, and no more is known.",
        csv,
        table=Table.of(shown, columns, marked="kind"),
    )


def _limits(analysis: Analysis) -> Section:
    axes = analysis.study.space.searched
    if analysis.limits.empty:
        return Section("limits", "Speed limit", "", [])
    shown = [
        figure_panel(
            f"largest learning rate with P(diverge) at most {analysis.tolerance:.0%}",
            words.speed_limit_finding(analysis),
            panels.speed_limit_figure(analysis.limits, analysis.study.space.axes["batch_size"], axes["learning_rate"]),
            "speed-limits",
        )
    ]
    text = (
        "How fast one may go: one line per band of clipping, with 90% credible bands. A hollow triangle at the top "
        "means that no learning rate of the study is too large; one at the bottom that none is safe. A hollow circle "
        "means that there are not enough trials to say: the limit may lie anywhere in its band, or beyond."
    )
    return Section("limits", "Speed limit", text, shown)


def _effects(analysis: Analysis) -> Section:
    shown = []
    if not analysis.effects.table.empty:
        shown.append(
            figure_panel(
                "on the hazard", words.effects_finding(analysis), panels.effects_figure(analysis.effects.table),
                "effects", note=analysis.effects.note,
            )
        )  # fmt: skip
    else:
        shown.append(Panel("on the hazard", words.effects_finding(analysis)))
    if not analysis.importance.empty:
        shown.append(
            figure_panel(
                "importance for the outcome", words.importance_finding(analysis.importance),
                panels.importance_figure(analysis.importance), "importance",
            )
        )  # fmt: skip
    else:
        shown.append(Panel("importance for the outcome", words.importance_finding(analysis.importance)))
    return Section("effects", "What decides", "", shown)


def _claims(analysis: Analysis) -> Section:
    caption, table = words.claims_finding(analysis.claims), None
    if not analysis.claims.empty:
        shown = analysis.claims.assign(
            counts=[f"{d} of {t}" for d, t in zip(analysis.claims["diverged"], analysis.claims["total"], strict=True)],
            others=[
                f"{d} of {t}"
                for d, t in zip(analysis.claims["others_diverged"], analysis.claims["others_total"], strict=True)
            ],
        )
        columns = {
            "claim": "claim", "verdict": "verdict", "counts": "diverged", "low": "95% from", "high": "to",
            "others": "others diverged", "learned": "learned", "stalled": "hardly learned",
            "best_validation_loss": "best loss",
            "cost": "cost", "source": "who says so",
        }  # fmt: skip
        table = Table.of(shown, columns, marked="verdict")
    text = (
        "Advice is judged by the trials that follow it. Its cost: how much worse than the best stable trial one ends. "
        + words.chosen_by_results(analysis.study)
    )
    return Section("claims", "Is the advice right?", text, [Panel("", caption, "claims" if table else "", table=table)])


def _origins(analysis: Analysis) -> Section:
    columns = {"cause": "cause", "origin": "first tensor that was not finite", "trials": "trials", "share": "share",
               "median_step": "median step", "lowest_learning_rate": "from learning rate",
               "highest_learning_rate": "to"}  # fmt: skip
    shown = [_table_panel("Origins", words.origins_finding(analysis.origins), analysis.origins.head(12), columns,
                          "origins")]  # fmt: skip
    if not analysis.origins_by_rate.empty:
        axis = analysis.study.space.searched["learning_rate"]
        shown.append(
            figure_panel(
                "by region", words.regions_finding(analysis.origins_by_rate),
                panels.origins_figure(analysis.origins_by_rate, axis), "origins-by-learning-rate",
            )
        )  # fmt: skip
    columns = {"signal": "signal", "warned": "warned", "diverged": "of", "lead_steps": "median lead, steps",
               "false_alarms": "cried wolf", "stable": "of stable"}  # fmt: skip
    shown.append(
        _table_panel("Warning signs", words.warnings_finding(analysis.warnings), analysis.warnings, columns,
                     "warning-signs")
    )  # fmt: skip
    text = "What the autopsies of the diverged trials found, and which signal left its usual range before."
    return Section("origins", "Where it began", text, shown)


def _table_panel(
    title: str, caption: str, table: pd.DataFrame, columns: dict[str, str], csv: str, dimensions: Collection[str] = ()
) -> Panel:
    """A table with its download; only its caption where it is empty."""
    if table.empty:
        return Panel(title, caption)
    return Panel(title, caption, csv, table=Table.of(table, columns, dimensions=dimensions))


def _best(analysis: Analysis, trials: pd.DataFrame) -> Section:
    dimensions = {name: name.replace("_", " ") for name in analysis.study.space}
    columns = {"number": "trial", **dimensions, "validation_loss": "validation loss",
               "neighbours_loss": "neighbours' median", "probability": "P(diverge)", "low": "90% from",
               "high": "to", "neighbours_diverged": "neighbours diverged", "neighbours": "of",
               "price": "price of safety"}  # fmt: skip
    shown = [
        _table_panel(
            "Safe and good", words.best_finding(analysis), analysis.best, columns, "best-stable-settings", dimensions
        )
    ]
    axes = analysis.study.space.searched
    if "learning_rate" in axes and len(trials):
        count, beyond = panels.beyond_scale(trials)
        caption = words.losses_finding(trials, drawn=count, beyond=beyond)
        figure = panels.final_losses(trials, axes["learning_rate"])
        shown.append(figure_panel("What the loss ended at", caption, figure, "trials"))
    text = (
        f"The lowest validation loss among settings with P(diverge) at most {analysis.tolerance:.0%}, never an "
        f"isolated lucky trial: three others like it must stand by."
    )
    return Section("best", "Best stable settings", text, shown)


def _trials_text(frame: pd.DataFrame) -> str:
    listed = len(listed_trials(frame))
    text = "Filter and sort; a row opens the trial, with its telemetry and autopsy"
    text += f" (kept on this page for {MOST_DETAILED} trials)." if len(frame) > MOST_DETAILED else "."
    if listed < len(frame):
        text += f" {listed} of {len(frame)} trials are listed, evenly chosen; `stability-sweep export` writes all."
    return text


def _unreadable(details: dict[int, dict[str, Any]]) -> str:
    """Which trials' telemetry or autopsy could not be read; empty where there is none."""
    numbers = sorted(number for number, detail in details.items() if "damaged" in detail)
    if not numbers:
        return ""
    some = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
    return (
        f" What {words.plural(len(numbers), 'trial')} stored of their steps is damaged, or of a newer version, and is "
        f"left out here: {some}."
    )


def _appendix(frame: pd.DataFrame) -> list[Panel]:
    if frame.empty:
        return []
    places = frame.groupby(["worker", "device", "threads", "torch_version"], dropna=False).size()
    table = places.rename("trials").reset_index()
    columns = {"worker": "worker", "device": "device", "threads": "threads", "torch_version": "torch",
               "trials": "trials"}  # fmt: skip
    outcomes = frame["outcome"].value_counts().rename_axis("outcome").reset_index(name="trials")
    return [
        Panel("Outcomes", "Exact counts.", table=Table.of(outcomes, {"outcome": "outcome", "trials": "trials"})),
        Panel("Workers", f"{len(table)} in all.", table=Table.of(table.head(40), columns)),
    ]
