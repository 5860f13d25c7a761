"""One run from ratings to report: each stage by itself, and all in a row."""

from __future__ import annotations

from drrec.experiment.benchmark import benchmark, tables_of, text_of
from drrec.experiment.compare import compare
from drrec.experiment.evaluating import evaluate_run, report_run
from drrec.experiment.judged import Judged
from drrec.experiment.runs import build_agent, train_run
from drrec.experiment.vectors import content_of, embed

__all__ = [
    "Judged",
    "benchmark",
    "build_agent",
    "compare",
    "content_of",
    "embed",
    "evaluate_run",
    "report_run",
    "tables_of",
    "text_of",
    "train_run",
]
