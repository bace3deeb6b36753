"""The roles that a dimension can have: what the panels and the sampler need to know about it, whatever it is called.

A target says which of its dimensions has which role; it may lack any of them.
"""

from __future__ import annotations

LEARNING_RATE = "learning_rate"
"""How far a step moves the parameters."""

BATCH_SIZE = "batch_size"
"""How many examples one gradient is an average of."""

CLIP_NORM = "clip_norm"
"""Above which norm a gradient is scaled down."""

ROLES = (LEARNING_RATE, BATCH_SIZE, CLIP_NORM)
"""All of them, in the order in which they are shown."""
