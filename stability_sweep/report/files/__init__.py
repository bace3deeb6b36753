"""A report and its tables as files: JSON, CSV, Parquet, pictures; and how any output is put in its place."""
