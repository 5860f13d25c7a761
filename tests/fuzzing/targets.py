"""Every reader of files, with sound files for it to be changed."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import gzip
import io
import json
import pathlib
import random
import wave
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import av
import h5py
import numpy as np
import pandas as pd
import yaml
from PIL import Image
from tests.data import raw
from tests.fuzzing.mutations import WORDS, mutated

from drrec.arrays import read_arrays, write_arrays
from drrec.data.config import LogConfig
from drrec.data.dataset import Dataset
from drrec.data.datasets import load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.data.split import Split, split_interactions
from drrec.embeddings.table import Embeddings
from drrec.errors import InputError
from drrec.experiment.config import TrainConfig
from drrec.features.config import ImportConfig
from drrec.features.importers import import_features
from drrec.features.journal import Batch, Journal
from drrec.features.media import Unusable, frames_of, sound_of
from drrec.features.store import FeatureRows, load_features, stored_sources, write_features
from drrec.features.texts import texts_of
from drrec.saving import load
from drrec.worlds.world import World

Mutation = Callable[[random.Random, pathlib.Path], None]


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader."""

    make: Callable[[pathlib.Path], None]
    """Writes sound files into a folder."""
    read: Callable[[pathlib.Path], Any]
    """Reads them."""
    changed: tuple[str, ...]
    """The files that are changed, one at a time."""
    is_text: bool = True
    craft: Mutation | None = None
    """Changes what is in a file, and not its bytes, so that checksums are right."""
    is_slow: bool = False
    """DuckDB reads it, and to begin one takes longer than others take to read a file."""

    def mutate(self, random_: random.Random, folder: pathlib.Path) -> None:
        """Change one of the files."""
        path = folder / random_.choice(self.changed)
        if self.craft and random_.random() < 0.5:
            self.craft(random_, path)
        else:
            path.write_bytes(mutated(random_, path.read_bytes(), self.is_text))


def rows() -> pd.DataFrame:
    """A log of 12 users and 15 items."""
    frame = raw.events(90)
    frame["user"] = frame["user"].str.slice(-2).astype(int)
    frame["item"] = frame["item"].str.slice(-2).astype(int) + 100
    return frame.rename(columns={"seconds": "timestamp"})


@functools.cache
def dataset() -> Dataset:
    """The same as a data set."""
    return Dataset.from_pandas(rows(), name="mine")


LOG = LogConfig()


def _log(name: str, content: bytes, is_text: bool = True) -> Target:
    return Target(
        lambda folder: (folder / name).write_bytes(content) and None,
        lambda folder: load_dataset(folder / name, config=LOG),
        (name,),
        is_text,
        is_slow=True,
    )


def _csv(separator: str = ",") -> bytes:
    return rows().to_csv(index=False, sep=separator).encode()


def _zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return buffer.getvalue()


def _parquet() -> bytes:
    buffer = io.BytesIO()
    rows().to_parquet(buffer)
    return buffer.getvalue()


def _titled() -> bytes:
    frame = rows()
    frame["title"] = [f'Film "{item}", the (1999)' for item in frame["item"]]
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="s").dt.strftime("%FT%TZ")
    return frame.to_csv(index=False).encode()


def _inter() -> bytes:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    body = rows().to_csv(index=False, header=False, sep="\t")
    return f"{header}\n{body}".encode()


def _folder(files: dict[str, bytes], changed: tuple[str, ...] | None = None) -> Target:
    def make(folder: pathlib.Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    changed = changed or tuple(files)
    return Target(make, lambda folder: load_dataset(folder), changed, is_slow=True)


def _recbole(name: str) -> dict[str, bytes]:
    items = sorted(set(rows()["item"]))
    table = "item_id:token\ttitle:token_seq\tgenre:token_seq\n"
    table += "".join(f"{item}\tFilm {item}\tcomedy storm\n" for item in items)
    return {f"{name}.inter": _inter(), f"{name}.item": table.encode()}


def _in_parts(name: str) -> dict[str, bytes]:
    header, *lines = _inter().splitlines(keepends=True)
    third = len(lines) // 3
    return {
        f"{name}.{part}.inter": header + b"".join(lines[index * third : (index + 1) * third])
        for index, part in enumerate(("train", "valid", "test"))
    }


def _movielens() -> dict[str, bytes]:
    items = sorted(set(rows()["item"]))
    flags = "|".join("01" * 9 + "0")
    table = "".join(f"{item}|Film {item} (1999)|01-Jan-1999||http://x|{flags}\n" for item in items)
    return {
        "u.data": rows().to_csv(index=False, header=False, sep="\t").encode(),
        "u.item": table.encode(),
    }


def _published(name: str, files: dict[str, bytes]) -> Target:
    config = dataclasses.replace(PrepareConfig(min_user=0, min_item=0), source=None)

    def make(folder: pathlib.Path) -> None:
        for file, content in files.items():
            raw.write(folder / file, content)

    def read(folder: pathlib.Path) -> None:
        prepare(name, dataclasses.replace(config, source=folder, to="made"), folder)

    return Target(make, read, tuple(files), is_slow=True)


def _amazon() -> dict[str, bytes]:
    frame = raw.events(90)
    body = frame.to_csv(header=False, index=False)
    meta = [
        {"parent_asin": item, "title": f"Thing {item}", "categories": ["A", "B"]}
        for item in sorted(set(frame["item"]))
    ]
    header = "user_id,parent_asin,rating,timestamp\n"
    return {"A.csv": (header + body).encode(), "meta_A.jsonl": raw.json_lines(meta).encode()}


def _yelp() -> dict[str, bytes]:
    reviews = [
        {"user_id": r.user, "business_id": r.item, "stars": r.rating, "date": "2018-07-07 22:09:11"}
        for r in raw.events(60).itertuples()
    ]
    return {"yelp_academic_dataset_review.json": raw.json_lines(reviews).encode()}


def _lastfm() -> dict[str, bytes]:
    lines = [
        f"user_{r.user}\t2009-05-04T23:08:{n % 60:02}Z\t{r.item}\tName {r.item}\tt{n % 9}\tSong\n"
        for n, r in enumerate(raw.events(60).itertuples())
    ]
    return {raw.LASTFM: "".join(lines).encode()}


def _coat() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 6, (12, 15)) for _ in range(2))
    made = raw.coat(train, test, types=rng.integers(1, 17, 15).tolist())
    return {name: text.encode() for name, text in made.items()}


def _kuairec() -> dict[str, bytes]:
    feelings = raw.full_matrix(0, 12, 15)
    big, small = raw.views(feelings, 1, 0.4), raw.views(feelings[:5, :8], 2, 0.99)
    made = raw.kuairec(big, small, {item: [item % 3, 7] for item in range(15)})
    return {name: text.encode() for name, text in made.items()}


def _prepared(folder: pathlib.Path) -> None:
    for name, content in _amazon().items():
        raw.write(folder / "got" / name, content)
    config = PrepareConfig(source=folder / "got", min_user=0, min_item=0, to="made")
    prepare("amazon-2023", config, folder)


def _again(folder: pathlib.Path) -> None:
    """Prepared data read, and prepared once more over it."""
    from drrec.data.published.prepare import load as load_prepared

    load_prepared(folder / "made")
    _prepared(folder)


def _plots(folder: pathlib.Path) -> None:
    ids = dataset().interactions.items.raw[1:].tolist()
    lines = [f'{item},"A plot, of {item}. ""So"" it goes."\n' for item in ids]
    (folder / "plots.csv").write_text("item_id,plot\n" + "".join(lines))


def _features(folder: pathlib.Path) -> None:
    count = dataset().interactions.num_items - 1
    made = {
        name: FeatureRows(
            features=np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32),
            present=np.ones(count, bool),
            encoder="bert",
            source=json.dumps({"settings": {"modality": name}, "stamp": None}),
            library_versions={"torch": "2"},
        )
        for name in ("text", "video")
    }
    write_features(folder / "mine.h5", dataset(), made)


def _read_features(folder: pathlib.Path) -> None:
    from drrec.features.config import ExtractConfig
    from drrec.features.sources import to_make_anew

    path = folder / "mine.h5"
    kept = stored_sources(path, dataset())
    load_features(path, dataset(), ["text", "video"])
    count = dataset().interactions.num_items - 1
    ones = np.ones((count, 1), np.float32)
    rows = FeatureRows(features=ones, present=np.ones(count, bool), encoder="x")
    write_features(path, dataset(), {"audio": rows})
    for name, source in kept.items():
        to_make_anew(source, ExtractConfig(dataset="mine.csv"), folder, name, dataset())


def _craft_hdf5(random_: random.Random, path: pathlib.Path) -> None:
    """Another attribute, table or link in the place of one."""
    with h5py.File(path, "r+") as file:
        name = random_.choice(
            ("item_ids", "text/features", "text/present", "video/features", "text")
        )
        if random_.random() < 0.4:
            owner = file[random_.choice(("/", "text", "text/features"))]
            key = random_.choice([*owner.attrs] or ["dataset"])
            owner.attrs[key] = random_.choice(
                ["", "x" * 9_000, 7, -1.5, float("nan"), [1, 2], np.zeros(50), b"\xff", True, "{"]
            )
            return
        if name in file:
            del file[name]
        choice = random_.randrange(8)
        shape = random_.choice(((), (0,), (14,), (14, 4), (4, 14), (14, 0), (14, 10**9), (3, 3, 3)))
        if choice == 0:
            file[name] = h5py.SoftLink(random_.choice(("/", "/text", "/missing", f"/{name}")))
        elif choice == 1:
            file[name] = h5py.ExternalLink(random_.choice(("/etc/passwd", "no.h5")), "/x")
        elif choice == 2:
            file.create_group(name)
        else:
            kind = random_.choice(
                ("f4", "f2", "f8", "i8", "S5", "S70000", "?", "c8", h5py.string_dtype())
            )
            file.create_dataset(name, shape=shape, dtype=kind)


def _numbers() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(dataset().interactions.num_items - 1, 3))


def _importer(form: str, name: str, make: Callable[[pathlib.Path], None], is_text: bool) -> Target:
    def read(folder: pathlib.Path) -> None:
        source = folder if form in ("mmrec", "ducho") else folder / name
        config = ImportConfig(format=form, source=source, dataset="x", modality="video")  # type: ignore[arg-type]
        import_features(config, dataset(), folder / "out" / "mine.h5")

    return Target(make, read, (name,), is_text)


def _mmrec(folder: pathlib.Path) -> None:
    np.save(folder / "video_feat.npy", np.ones((130, 3)) * np.arange(130)[:, None])


def _ducho(folder: pathlib.Path) -> None:
    for item, row in zip(dataset().interactions.items.raw[1:], _numbers(), strict=True):
        path = folder / "visual" / f"{item}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, row)


def _json_features(folder: pathlib.Path) -> None:
    ids = dataset().interactions.items.raw[1:].tolist()
    rows = {item: row.tolist() for item, row in zip(ids, _numbers(), strict=True)}
    (folder / "f.json").write_text(json.dumps(rows))


def _csv_features(folder: pathlib.Path) -> None:
    frame = pd.DataFrame(_numbers(), columns=list("abc"))
    frame.insert(0, "item_id", dataset().interactions.items.raw[1:])
    frame.to_csv(folder / "f.csv", index=False)


def _journal(folder: pathlib.Path) -> None:
    with Journal(folder / "j.part", "fingerprint") as journal:
        for _ in range(3):
            journal.add(Batch(np.ones((2, 3), np.float32), np.array([True, False]), ["", "broken"]))


def _read_journal(folder: pathlib.Path) -> None:
    with Journal(folder / "j.part", "fingerprint") as journal:
        for batch in journal.batches:
            assert batch.features.shape == (2, 3)


def _craft_arrays(random_: random.Random, path: pathlib.Path) -> None:
    """Another array in the place of one, under a checksum that is right."""
    arrays = dict(read_arrays(path, "arrays", "Mend it."))
    name = random_.choice([*arrays])
    array = arrays[name]
    choice = random_.randrange(8)
    if choice == 0:
        del arrays[name]
    elif choice == 1:
        arrays[name] = array.astype(str) if array.dtype != object else np.zeros(array.shape)
    elif choice == 2 and array.dtype != object:
        arrays[name] = array[..., None]
    elif choice == 3 and array.ndim:
        arrays[name] = array[: len(array) // 2]
    elif choice == 4:
        arrays[f"{name}2"] = array
    elif choice == 5:
        arrays[name] = np.full(array.shape, random_.choice((-1, 10**6, np.nan)))
    elif choice == 6 and array.dtype.kind == "U" and array.ndim == 0:
        text = mutated(random_, str(array).encode(), True).decode("utf-8", "ignore")
        arrays[name] = np.array(text.replace("\0", ""))
    else:
        arrays[name] = np.array(random_.choice(WORDS).decode("utf-8", "ignore").replace("\0", ""))
    write_arrays(path, arrays)


def _split(folder: pathlib.Path) -> None:
    split_interactions(dataset().interactions).save(folder / "split.npz")


def _embeddings(folder: pathlib.Path) -> None:
    log = dataset().interactions
    item, user = np.ones((log.num_items, 3), "f4"), np.ones((log.num_users, 3), "f4")
    Embeddings(item, user, 3.5, log.fingerprint).save(folder / "final.npz")


def _read_world(folder: pathlib.Path) -> None:
    world = World.load(folder / "world.npz")
    if world.boredom.size:
        world.appeal()


def _model(folder: pathlib.Path) -> None:
    from drrec.baselines.ease import EASE

    EASE(l2=1.0).fit(dataset()).save(folder / "a.drrec")


def _recommend(folder: pathlib.Path) -> None:
    model = load(folder / "a.drrec")
    model.recommend(["1", "2"], k=3)
    model.similar_items("101", k=3)


def _config(folder: pathlib.Path) -> None:
    content = {"version": 4} | dataclasses.asdict(TrainConfig())
    (folder / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def _read_config(folder: pathlib.Path) -> None:
    from drrec.cli import flags, settings
    from drrec.reading import read_yaml

    path = folder / "config.yaml"
    values = read_yaml(path)  # once: PyYAML takes a second for some
    with mock.patch.object(settings, "read_yaml", side_effect=lambda _: copy.deepcopy(values)):
        for stage in (flags.Compare, flags.Benchmark, flags.Recommend, flags.Data, flags.Extract):
            with contextlib.suppress(InputError):
                settings.settings_in(path, stage)
        settings.settings_in(path, flags.Train)


def _run_config(folder: pathlib.Path) -> None:
    (folder / "save_model" / "mine").mkdir(parents=True)
    content = {"version": 4} | dataclasses.asdict(TrainConfig())
    (folder / "save_model" / "mine" / "config.yaml").write_text(
        yaml.safe_dump(content, sort_keys=False)
    )


def _read_run(folder: pathlib.Path) -> None:
    from drrec.experiment.run import Run

    Run.find(folder, "mine").config()


def _tables(folder: pathlib.Path) -> None:
    from drrec.cli.settings import PRESETS

    (folder / "tables.yaml").write_bytes((PRESETS / "benchmark" / "explicit.yaml").read_bytes())


def _read_tables(folder: pathlib.Path) -> None:
    from drrec.experiment.benchmark import tables_of
    from drrec.experiment.config import BenchmarkConfig
    from drrec.reading import read_yaml

    path = folder / "tables.yaml"
    tables_of(read_yaml(path), BenchmarkConfig(), str(path))


def _run_files(folder: pathlib.Path) -> None:
    (folder / "training.csv").write_text("step,loss,reward\n2000,0.5,0.1\n4000,0.25,0.2\n")
    (folder / "fit.json").write_text('{"seconds": 1.5, "peak_memory": 1e9}')
    (folder / "settings.json").write_text('{"a": {"b": [1, 2]}}')


def _read_run_files(folder: pathlib.Path) -> None:
    from drrec.agents.runlog import columns, read_rows
    from drrec.evaluation.cost import read_cost
    from drrec.experiment.grid import begin_or_go_on
    from drrec.experiment.run import Run

    [float(row["step"]) for row in read_rows(folder / "training.csv")]
    columns(folder / "training.csv")
    read_cost(folder / "fit.json")
    run = Run(folder, "grid")
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "settings.json").write_bytes((folder / "settings.json").read_bytes())
    begin_or_go_on(run, {"a": {"b": [1, 2]}})


def _table(folder: pathlib.Path) -> None:
    from drrec.evaluation.longform import write_long

    cells = {"ndcg@10": {"mean": 0.5, "low": 0.4, "high": 0.6, "num_users": 9}}
    write_long(folder / "rated.csv", {"ddpg": cells, "random": cells})


def _read_table(folder: pathlib.Path) -> None:
    from drrec.evaluation.longform import read_long

    read_long(folder / "rated.csv")


def _checkpoint(folder: pathlib.Path) -> None:
    from tests.agents.test_checkpoint import Small

    from drrec.agents.checkpoint import save_checkpoint

    save_checkpoint(folder, Small.make(), 64)


def _restore(folder: pathlib.Path) -> None:
    from tests.agents.test_checkpoint import Small

    from drrec.agents.checkpoint import restore_latest

    restore_latest(folder, Small.make())


def _ids(folder: pathlib.Path) -> None:
    (folder / "ids.txt").write_text("1\n2\n3\n")


def _read_ids(folder: pathlib.Path) -> None:
    from drrec.cli.recommend import _ids_in

    _ids_in(f"@{folder / 'ids.txt'}")


def _picture(name: str) -> Target:
    def make(folder: pathlib.Path) -> None:
        (folder / "images").mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)

    def read(folder: pathlib.Path) -> None:
        with _usable():
            frames_of(folder / "images" / name, 2)

    return Target(make, read, (f"images/{name}",), False)


def _film(folder: pathlib.Path) -> None:
    with av.open(str(folder / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number in range(8):
            pixels = np.full((24, 32, 3), 30 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _see(folder: pathlib.Path) -> None:
    with _usable():
        frames_of(folder / "film.mp4", 3)


def _sound(folder: pathlib.Path) -> None:
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(np.random.default_rng(0).integers(-9, 9, 8_000, np.int16).tobytes())


def _hear(folder: pathlib.Path) -> None:
    with _usable():
        sound_of(folder / "sound.wav", 16_000, 1.0)


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    """A file that costs its item alone is refused as others are."""
    try:
        yield
    except Unusable as error:
        raise InputError(str(error)) from error


STEP = "step-000000000064.npz"
TARGETS: dict[str, Target] = {
    "log.csv": _log("log.csv", _csv()),
    "log with titles and dates": _log("log.csv", _titled()),
    "log.tsv": _log("log.tsv", _csv("\t")),
    "log.jsonl": _log("log.jsonl", rows().to_json(orient="records", lines=True).encode()),
    "log.inter": _log("log.inter", _inter()),
    "log.csv.gz": _log("log.csv.gz", gzip.compress(_csv()), False),
    "log.zip": _log("log.zip", _zipped("log.csv", _csv()), False),
    "log.parquet": _log("log.parquet", _parquet(), False),
    "RecBole's folder": _folder(_recbole("mine")),
    "RecBole's parts": _folder(_in_parts("mine")),
    "MovieLens' folder": _folder(_movielens()),
    "Amazon's files": _published("amazon-2023", _amazon()),
    "Yelp's files": _published("yelp", _yelp()),
    "Last.fm's files": _published("lastfm-1k", _lastfm()),
    "Coat's files": _published("coat", _coat()),
    "KuaiRec's files": _published("kuairec", _kuairec()),
    "prepared data": Target(
        _prepared, _again, ("made/prepared.json", "made/made.inter"), is_slow=True
    ),
    "plots": Target(
        _plots, lambda folder: texts_of(dataset(), folder / "plots.csv"), ("plots.csv",)
    ),
    "features": Target(_features, _read_features, ("mine.h5",), False, _craft_hdf5),
    "MMRec's features": _importer("mmrec", "video_feat.npy", _mmrec, False),
    "Ducho's features": _importer("ducho", "visual/101.npy", _ducho, False),
    "JSON features": _importer("json", "f.json", _json_features, True),
    "CSV features": _importer("csv", "f.csv", _csv_features, True),
    "journal": Target(_journal, _read_journal, ("j.part",), False),
    "split": Target(
        _split,
        lambda folder: Split.load(folder / "split.npz", dataset().interactions),
        *(("split.npz",), False, _craft_arrays),
    ),
    "embeddings": Target(
        _embeddings,
        lambda folder: Embeddings.load(folder / "final.npz"),
        *(("final.npz",), False, _craft_arrays),
    ),
    "world": Target(
        lambda folder: World.drawn(np.random.default_rng(0), 9, 7).save(folder / "world.npz"),
        _read_world,
        *(("world.npz",), False, _craft_arrays),
    ),
    "saved model": Target(_model, _recommend, ("a.drrec",), False, _craft_arrays),
    "checkpoint": Target(_checkpoint, _restore, (STEP,), False, _craft_arrays),
    "settings": Target(_config, _read_config, ("config.yaml",)),
    "a run's settings": Target(_run_config, _read_run, ("save_model/mine/config.yaml",)),
    "tables of a benchmark": Target(_tables, _read_tables, ("tables.yaml",)),
    "a run's files": Target(
        _run_files, _read_run_files, ("training.csv", "fit.json", "settings.json")
    ),
    "a table": Target(_table, _read_table, ("rated.csv",)),
    "picture.png": _picture("1.png"),
    "picture.jpg": _picture("1.jpg"),
    "picture.gif": _picture("1.gif"),
    "picture.tiff": _picture("1.tiff"),
    "film": Target(_film, _see, ("film.mp4",), False),
    "sound": Target(_sound, _hear, ("sound.wav",), False),
    "a file of ids": Target(_ids, _read_ids, ("ids.txt",)),
}
