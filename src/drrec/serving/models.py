"""The models that are served: one, or two that share the traffic, exchanged while requests run."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import pathlib
import threading
import time
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError
from drrec.serving.batching import Batcher
from drrec.serving.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.serving.records import AddedItem

logger = logging.getLogger(__name__)

_LARGEST = 1 << 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where a model comes from."""

    run: str | None
    """Run name or folder, or a .drrec file; None is the latest run."""
    root: str
    """Parent folder of save_model/."""
    data_dir: str = "data"
    """Folder of the data sets; worlds of made-up ones are looked for in it."""
    retrieval: Any = "auto"
    """As `Engine.load` takes it."""

    def path(self) -> pathlib.Path:
        """The file of the model that there is now.

        Raises:
            InputError: there is none.
        """
        if self.run is not None and pathlib.Path(self.run).is_file():
            return pathlib.Path(self.run)
        from drrec.experiment.run import MODEL, SERVED, Run

        root = pathlib.Path(self.root)
        run = Run.find(root, latest_trained(root) if self.run is None else self.run)
        first, _ = run.seeds(run.config())[0]
        for path in (first.folder / SERVED, first.folder / MODEL):
            if path.is_file():
                return path
        raise InputError(
            f"Expected a trained run. Received: {run.name}, which has no {MODEL}. Go on with its "
            f"training: drrec train --resume {run.name}."
        )


def latest_trained(root: pathlib.Path) -> str:
    """The run that had a model first most lately.

    Raises:
        InputError: there is none.
    """
    from drrec.experiment.run import MODEL

    home = root / "save_model"
    written = {
        path.relative_to(home).parts[0]: path.stat().st_mtime_ns
        for pattern in (f"*/{MODEL}", f"*/seed-*/{MODEL}")
        for path in home.glob(pattern)
    }
    if not written:
        raise InputError(
            "Expected a trained run in save_model. Received: none. Train one: drrec train."
        )
    return max(written, key=written.__getitem__)


Identity = tuple[str, int, int, int]


def _identity(path: pathlib.Path) -> Identity:
    there = path.stat()
    return str(path), there.st_ino, there.st_mtime_ns, there.st_size


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Served:
    """A model in memory."""

    engine: Engine
    batcher: Batcher
    identity: Identity
    since: float
    data_dir: str

    @property
    def label(self) -> str:
        """What answers call it: the run's name and the version of its file."""
        return f"{self.engine.name}@{self.engine.version}"


class Models:
    """The served models; `pick` is safe while `reload` exchanges them."""

    def __init__(
        self,
        main: Source,
        also: Source | None = None,
        share: float = 0.1,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Load them.

        Args:
            main: serves everybody, or all but `share`.
            also: serves `share` of users and sessions, always the same ones.
            share: in [0, 1].
            observe: is told how many queries each call of an engine has.

        Raises:
            InputError: there is no such run, or it is damaged.
        """
        self._sources = [main] if also is None else [main, also]
        self._share = share
        self._observe = observe
        self._loading = threading.Lock()
        self._failed: dict[int, Identity] = {}
        self._items: Sequence[AddedItem] = ()
        self._served = [self._load(source) for source in self._sources]

    @property
    def served(self) -> list[Served]:
        """The models, the main one first."""
        return list(self._served)

    @property
    def shares(self) -> list[float]:
        """The share of the traffic that each has."""
        return [1.0] if len(self._served) == 1 else [1 - self._share, self._share]

    def pick(self, who: str) -> Served:
        """The model that serves a user or a session: of one name always the same."""
        served = self._served
        if len(served) == 1:
            return served[0]
        digest = hashlib.blake2b(who.encode(), digest_size=8).digest()
        return served[int.from_bytes(digest) < self._share * _LARGEST]

    def named(self, name: str) -> Served | None:
        """The model that answers call by this label, or the first of the run of this name."""
        served = self._served
        fitting = [each for each in served if each.label == name]
        fitting += [each for each in served if each.engine.name == name]
        return fitting[0] if fitting else None

    def reload(self, *, only_if_new: bool = False) -> list[str]:
        """Load what there is now in place of what is served; requests go on meanwhile.

        Args:
            only_if_new: leave alone a model whose file is the same, and one that was refused
                before.

        Returns:
            Labels of the models that were exchanged.

        Raises:
            InputError: a model could not be loaded; the old one goes on.
        """
        exchanged = []
        with self._loading:
            for place, source in enumerate(self._sources):
                old = self._served[place]
                identity = _identity(source.path())
                if identity == old.identity or (
                    only_if_new and identity == self._failed.get(place)
                ):
                    continue
                try:
                    new = self._load(source)
                except InputError:
                    self._failed[place] = identity
                    raise
                # One assignment: a request has the old one or the new one to its end.
                self._served = [*self._served[:place], new, *self._served[place + 1 :]]
                exchanged.append(new.label)
                logger.info("serving %s in place of %s", new.label, old.label)
        return exchanged

    def set_items(self, added: Sequence[AddedItem]) -> None:
        """Have all models recommend these items beside those of their logs."""
        with self._loading:
            self._items = added
            self._served = [self._with_items(each) for each in self._served]

    def _with_items(self, served: Served) -> Served:
        engine = served.engine.with_items(self._items)
        return dataclasses.replace(served, engine=engine, batcher=Batcher(engine, self._observe))

    def _load(self, source: Source) -> Served:
        path = source.path()
        identity = _identity(path)  # before: a file that is replaced meanwhile is loaded again
        engine = Engine.load(path, retrieval=source.retrieval)
        if self._items:
            engine = engine.with_items(self._items)
        batcher = Batcher(engine, self._observe)
        return Served(
            engine=engine,
            batcher=batcher,
            identity=identity,
            since=time.time(),
            data_dir=source.data_dir,
        )
