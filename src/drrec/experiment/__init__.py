"""One run from ratings to report: each stage by itself, and all in a row."""
