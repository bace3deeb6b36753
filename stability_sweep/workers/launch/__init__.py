"""Worker processes: who works where, how one is started, and who watches them."""
