"""Studies and trials on a terminal: a trial in words, tables, the live display."""
