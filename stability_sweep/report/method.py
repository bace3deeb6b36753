"""How the numbers of a report are made, for its appendix."""

from __future__ import annotations

METHOD = [
    (
        "P(diverge)",
        "A Gaussian-process classifier with a logistic link, Matérn kernels (5/2) averaged by their weights, and "
        "expectation propagation (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 3); "
        "when training diverges, by a second process over settings and periods of steps. Logarithmic ranges count in "
        'decades, choices by their order, "off" has a coordinate of its own. Bands are 90% credible bands.',
    ),
    (
        "The answer",
        "The learning rate up to which P(diverge) is at every rate within the tolerance with 90% probability, at the "
        "batch size and clipping whose yardstick there is expected lowest; unknown where there is no such rate.",
    ),
    (
        "Yardstick",
        "The held-out figure of the target by which settings are ranked, lower is better; of an RHVAE -log p(x) by "
        "importance sampling. What is expected of a setting comes from a Gaussian process through the normal scores "
        "of all finite trials' yardsticks.",
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
        "Remedies",
        "A contrast of each setting with the baseline, all else alike. The intervals hold for all at once with "
        "95% probability. Helps, harms: the interval lies on one side of none. No effect: all of it is near none. "
        "Otherwise there is not enough evidence. True but useless: it would help, but nearly every finite trial under "
        "it hardly learned.",
    ),
    (
        "Claims",
        "Judged as remedies are. Avoids: yes where the 95% interval of the share that diverged lies at or under the "
        "tolerance, no where it lies above; otherwise unknown.",
    ),
]
"""Terms, and what they mean."""
