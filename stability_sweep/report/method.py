"""How the numbers of a report are made, for its appendix."""

from __future__ import annotations

METHOD = [
    (
        "P(diverge)",
        "A Gaussian-process classifier with a logistic link and Laplace's approximation (Rasmussen and "
        "Williams, Gaussian Processes for Machine Learning, 2006, chapter 3). Logarithmic ranges count in decades, "
        'choices by their order, "off" has a coordinate of its own. Bands are 90% credible bands.',
    ),
    (
        "Counts",
        "Shares come with Wilson's 95% interval (J. Am. Stat. Assoc. 22, 1927). Failed trials count nowhere.",
    ),
    (
        "Time to divergence",
        "Kaplan-Meier estimates with 95% bands; a trial that reached its horizon is censored "
        "there. Beyond the horizon the hazard of the second half of the steps is assumed to go on.",
    ),
    (
        "Effects",
        "Cox's proportional hazards model with Efron's ties; importance by permutation in a random forest on "
        "held-out folds.",
    ),
    (
        "Speed limit",
        "The smallest learning rate at which the posterior median of P(diverge) passes the tolerance; its "
        'band from joint posterior draws. "None is safe" and "not reached" are said where the whole band says so; '
        "otherwise the limit is unknown.",
    ),
    (
        "Claims",
        "Supported: the 95% interval of the share that diverged lies at or under the tolerance. Contradicted: "
        "above it. Otherwise there is not enough evidence. True, but useless: it would be supported, but at least nine "
        "tenths of the trials under it did not learn.",
    ),
]
"""Terms, and what they mean."""
