"""The panels of a report, one file per subject: its figures, its sentences and its section. `registry` lists them."""
