"""`drrec llm`: the stages of language models; each imports what it needs."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pathlib
from typing import TYPE_CHECKING, Literal

import tyro

from drrec.cli.flags import Device, Stage
from drrec.errors import InputError
from drrec.experiment.language_config import LanguageConfig
from drrec.llm.config import CaptionConfig, ReasonConfig
from drrec.ranges import check_ranges

if TYPE_CHECKING:
    from drrec.experiment.run import Run
    from drrec.experiment.task import Task
    from drrec.llm.stages import Stages


@dataclasses.dataclass(frozen=True, kw_only=True)
class Llm(Stage):
    """Train a language model that ranks, stage by stage, and report it beside baselines."""

    stage: tyro.conf.Positional[
        Literal["train", "sft", "merge", "grpo", "score", "caption", "reason", "import", "rerank"]
    ]
    """train: all stages, and the report; sft: supervised fine-tuning; merge: adapters into
    weights; grpo: group relative policy optimisation; score: candidates of protocols sampled_9 and
    sampled; caption: a vision-language model describes pictures and trailers; reason: the model
    before training thinks about what users choose next, for --cot-prob; import: samples in
    MLLMRec-R1's layout; rerank: the model ranks what --propose proposes. A stage does those before
    it that are not done, and resumes where it stopped."""
    llm: LanguageConfig = dataclasses.field(default_factory=LanguageConfig)
    caption: CaptionConfig = dataclasses.field(default_factory=CaptionConfig)
    reason: ReasonConfig = dataclasses.field(default_factory=ReasonConfig)
    device: Device = dataclasses.field(default_factory=Device)
    name: str | None = None
    """Run name; the run's folder under save_model/. By default llm-<dataset>-<model>. An existing
    run is resumed."""
    after: Literal["zero", "sft", "grpo"] = "grpo"
    """Stages score and rerank: the training after which to score; for score it must be done."""
    propose: str = "ease"
    """Stage rerank: a baseline, or the agent.drrec of a run with --split leave_one_out."""
    propose_k: int = 20
    """Stage rerank: proposed items for each user. [1 to 100,000]"""
    source: pathlib.Path | None = None
    """Stage import: folder with train.tsv, test.tsv, *_titles.csv and processed/."""

    def __post_init__(self) -> None:
        check_ranges(self, {"[1, 100000]": ("propose_k",)})
        if not self.propose:
            raise InputError(
                "Expected a baseline, or an agent.drrec, for --propose. Received: ''. Leave it out "
                "for ease."
            )


def run_llm(arguments: Llm, run: Run, task: Task, data_dir: pathlib.Path) -> str:
    """Do a stage in the folder of a run; returns what to print."""
    from drrec.experiment.language import prepare, text_of, train_and_report

    config = arguments.llm
    is_first = os.environ.get("RANK", "0") == "0"
    with run.held() if is_first else contextlib.nullcontext():
        if arguments.stage == "train":
            _use_gpu(arguments)
            summary = train_and_report(run, config, task)
            logging.info("all of it is in %s", run.folder)
            return text_of(summary)
        if arguments.stage == "rerank":
            from drrec.experiment.reranking import rerank

            _use_gpu(arguments)
            propose, k = arguments.propose, arguments.propose_k
            return rerank(config, task, run.folder, arguments.after, propose, k)
        from drrec.features.encoders import chosen_device
        from drrec.llm.stages import Stages

        if arguments.stage == "caption":
            return _captioned(arguments, run.folder, task, data_dir)
        prepare(run.folder, config, task)
        device = chosen_device(arguments.device.gpu)
        stages = Stages(run.folder, config.training, device)
        if arguments.stage == "score":
            model = stages.folder_after(arguments.after)
            return _scored(arguments, run.folder, model, device, task)
        if arguments.stage == "reason":
            return _reasoned(arguments, stages, device, task)
        return f"{arguments.stage}: {stages.run(arguments.stage)}"


def _use_gpu(arguments: Llm) -> None:
    """For PyTorch's process, which is begun from here."""
    if arguments.device.gpu is not None:
        gpu = arguments.device.gpu
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu == -1 else str(gpu)


def import_llm(arguments: Llm, run: Run) -> str:
    """Take over samples of others into the folder of a run; returns what leaks in them."""
    from drrec.llm.imported import import_samples, write_imported

    if arguments.source is None:
        raise InputError(
            "Expected --source, a folder in MLLMRec-R1's layout. Received: none. Name its "
            "data/<data set> folder."
        )
    negatives = arguments.llm.training.sft.negatives
    imported = import_samples(arguments.source, negatives)
    with run.held():
        write_imported(imported, run.folder)
    made = (
        f"imported: {len(imported.train):,} samples of training, {len(imported.test):,} of the "
        f"test; {run.folder / 'log.csv'} is a data set, {run.folder / 'requests.npz'} are the "
        "test's candidates"
    )
    return "\n".join([*imported.findings, made])


def _captioned(arguments: Llm, folder: pathlib.Path, task: Task, data_dir: pathlib.Path) -> str:
    from drrec.features.config import ExtractConfig
    from drrec.features.encoders import chosen_device
    from drrec.features.sources import Source
    from drrec.llm.captions import CAPTIONS, Captioner

    config, training = arguments.caption, arguments.llm.training
    source = Source.of(ExtractConfig(dataset=arguments.llm.dataset, media=config.media), data_dir)
    device = chosen_device(arguments.device.gpu)
    captioner = Captioner(config, training.model, task.dataset, source, device)
    return captioner.run(folder / CAPTIONS, training.seed)


def _reasoned(arguments: Llm, stages: Stages, device: str, task: Task) -> str:
    from drrec.llm.captions import CAPTIONS, read_captions
    from drrec.llm.reasons import REASONS, Reasoner

    config, folder = arguments.reason, stages.folder
    path = config.captions or folder / CAPTIONS
    captions = [""] * stages.log.num_items
    if config.captions or path.exists():
        captions = read_captions(path, task.dataset)
    else:
        logging.info("no captions in %s: reasoning from titles alone", path)
    base = stages.run("zero")
    reasoner = Reasoner(config, arguments.llm.training, stages.log, captions, base, device)
    return reasoner.run(folder / REASONS)


def _scored(
    arguments: Llm, folder: pathlib.Path, model: pathlib.Path, device: str, task: Task
) -> str:
    import numpy as np

    from drrec.experiment.language import NEGATIVES, ask
    from drrec.llm.score import score_requests
    from drrec.llm.wall import read_requests, read_scores

    config = arguments.llm
    lines = []
    for protocol in NEGATIVES:
        asked = folder / f"requests-{protocol}.npz"
        answered = folder / f"scores-{protocol}-{arguments.after}-{config.score.answer}.npz"
        draws = ask(asked, config, task, protocol)
        placed = dataclasses.replace(config.training.model, model=str(model))
        said = score_requests(asked, answered, placed, config.score, device)
        scores = read_scores(answered, read_requests(asked))
        order = np.argsort(-scores, axis=1, kind="stable")
        rank = (order == draws.place[:, None]).argmax(axis=1)
        hit = [float((rank < cut).mean()) for cut in (1, 3)]
        lines.append(f"{protocol}: HR@1 {hit[0]:.3f}, HR@3 {hit[1]:.3f}; {said}; {answered}")
    return "\n".join(lines)
