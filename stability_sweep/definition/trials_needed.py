"""How many trials the effects of a study's remedies ask for, so that a budget which is far too small is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stability_sweep.definition.design import level_count, remedies_of
from stability_sweep.space.dimensions import Range
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE

if TYPE_CHECKING:
    from stability_sweep.definition.study import StudyDefinition

TRIALS_PER_EFFECT = 60
"""Of a study whose dimensions are all drawn at once; from benchmarks/remedies.py."""

BLOCKS_NEEDED = 60
"""Of a paired study that tries one remedy at a time, to see most shifts of 0.3 decades; from benchmarks/remedies.py."""

FRACTION_TRIALS = 128
"""Of a fractional design, whatever it holds: every trial tells of every remedy; from benchmarks/remedies.py."""


class Needed(NamedTuple):
    """What a study asks, and what that takes."""

    effects: int
    trials: int


def effects_and_trials(definition: StudyDefinition) -> Needed:
    """How many effects of remedies a study asks for, and about how many trials tell them from chance.

    A level of a listed remedy is an effect; so is a range that is drawn beside listed remedies, unless it is that of
    the learning rate or the batch size. A study that lists no remedy asks for none.
    """
    space, design, blocks = definition.space, definition.design, definition.blocks
    effects = level_count(remedies_of(space))
    if blocks is not None and design.is_fractional:
        return Needed(effects, max(FRACTION_TRIALS, len(blocks.runs)))
    if blocks is not None:
        return Needed(effects, BLOCKS_NEEDED * len(blocks.runs))
    if effects:
        others = {space.role(LEARNING_RATE), space.role(BATCH_SIZE)}
        effects += sum(isinstance(space[name], Range) for name in space if name not in others)
    return Needed(effects, TRIALS_PER_EFFECT * effects)


def shortfall_in_words(definition: StudyDefinition, budget: int) -> str | None:
    """What is to be said of a budget that is too small for the effects; None where it is not.

    Args:
        definition: the study's.
        budget: its trials, which may be another number than the definition's.
    """
    needed = effects_and_trials(definition)
    if budget >= needed.trials:
        return None
    effects = "the effect of the remedy" if needed.effects == 1 else f"the effects of {needed.effects} remedy settings"
    return (
        f"{effects} can be told from chance by about {needed.trials} trials, and the budget is {budget}: expect wide "
        f"bands, or search fewer"
    )
