"""Engine: a saved model, ready to answer query by query."""

from __future__ import annotations

import copy
import functools
import hashlib
import pathlib
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.base import checked_k
from drrec.experiment.run import MODEL, SERVED
from drrec.scoring import top_items
from drrec.serving.answering import answers, searcher_of
from drrec.serving.explaining import Amounts, Explanation, Reason, amounts
from drrec.serving.item_encoder import NumPyItemEncoder
from drrec.serving.kept import Place
from drrec.serving.loading import Backend, read_served
from drrec.serving.people import Person, found_users
from drrec.serving.queries import Query, Recommendation, dense_items, understood
from drrec.serving.retrieval import Appended
from drrec.serving.titles import Titled, TitleIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.base import Recommender
    from drrec.data.ids import IdMap
    from drrec.serving.records import AddedItem
    from drrec.serving.retrieval import Retrieval

_VERSION_DIGITS = 12


class Engine:
    """A saved model that answers queries; calls from several threads do not disturb each other.

    Examples:
        >>> import drrec, pathlib, pandas as pd
        >>> from drrec.serving.engine import Engine
        >>> from drrec.serving.queries import Query
        >>> log = pd.DataFrame({"user": list("aabbbcc"), "item": list("xyxyzyz")})
        >>> drrec.ItemKNN().fit(drrec.Dataset.from_pandas(log)).save("item_knn.drrec")
        >>> engine = Engine.load(pathlib.Path("item_knn.drrec"))
        >>> engine.algorithm, engine.backend, engine.num_items
        ('item_knn', 'numpy', 3)
        >>> [[each.item for each in found] for found in engine.recommend([Query(user="a")], k=1)]
        [['z']]
    """

    def __init__(
        self,
        recommender: Recommender,
        *,
        name: str,
        version: str,
        algorithm: str,
        backend: str,
        retrieval: Retrieval = "auto",
        place: Place | None = None,
    ) -> None:
        """Serve a fitted model; see `load`. An index is kept at `place`."""
        self.recommender = recommender
        self.searcher = searcher_of(recommender, retrieval, place)
        self.name, self.version = name, version
        self.algorithm, self.backend = algorithm, backend
        self.known = recommender.known
        self.base: Engine = self
        self.item_encoder: NumPyItemEncoder | None = None

    @classmethod
    def load(
        cls,
        path: pathlib.Path,
        backend: Backend = "auto",
        before_keras: Callable[[], object] | None = None,
        retrieval: Retrieval = "auto",
    ) -> Self:
        """Read a `.drrec` file.

        Args:
            path: the file.
            backend: `numpy` loads neither TensorFlow nor Keras; `auto` loads them only where NumPy
                has no form of the model.
            before_keras: called before TensorFlow is loaded, if it is: to choose a device, say.
            retrieval: how the best items are found where scores are dot products: `exact`, by an
                index of `faiss`, or `auto`, which is exact up to 200,000 items. An index is kept
                beside the file.

        Raises:
            InputError: the file is missing or damaged, `numpy` has no form of the model, or faiss
                is asked for and not installed.
        """
        recommender, algorithm, used = read_served(path, backend, before_keras)
        digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        made = cls(
            recommender,
            name=_name_of(pathlib.Path(path)),
            version=digest[:_VERSION_DIGITS],
            algorithm=algorithm,
            backend=used,
            retrieval=retrieval,
            place=Place(pathlib.Path(f"{path}.faiss"), digest),
        )
        policy: Any = getattr(recommender, "_policy", None)
        if made.searcher is not None and policy is not None:
            made.item_encoder = NumPyItemEncoder.beside(pathlib.Path(path), policy.item)
        return made

    def with_items(self, added: Sequence[AddedItem]) -> Engine:
        """This model beside more items, which are known by their content alone.

        Those of its log, and those without a modality of its encoder, are left out.
        """
        base, encoder = self.base, self.base.item_encoder
        if encoder is None or base.searcher is None:
            return self
        dims, vectors, new = encoder.dims, [], []
        for each in added:
            fitting = {
                name: np.array(values, np.float32)
                for name, values in each.features.items()
                if dims.get(name) == len(values)
            }
            if fitting and each.id not in base.items:
                vectors.append(encoder.vector(fitting))
                new.append(each)
        if not new:
            return base
        block = np.stack(vectors)
        made = copy.copy(base)
        made.known = base.known.with_items([each.id for each in new], [each.title for each in new])
        acting: Any = base.recommender  # or it had no encoder
        made.recommender = acting.with_items(made.known, block)
        made.searcher = Appended(base.searcher, len(base.items), block)
        made.__dict__.pop("_title_index", None)
        return made

    @property
    def why_no_items(self) -> str:
        """Why no item can be added, where there is no `item_encoder`."""
        if self.searcher is None or not hasattr(self.recommender, "_policy"):
            return "whose scores are not those of items' vectors alone"
        return "which knows items by their ratings alone, or was trained by an earlier version"

    @property
    def users(self) -> IdMap:
        """Raw ids of the training log's users by dense id."""
        return self.known.users

    @property
    def items(self) -> IdMap:
        """Raw ids of items by dense id; 0 is padding."""
        return self.known.items

    @property
    def titles(self) -> np.ndarray:
        """[I] str, "" where unknown."""
        return self.known.titles

    @property
    def num_items(self) -> int:
        """Items that there are to recommend; padding is none."""
        return len(self.items) - 1

    @property
    def history_length(self) -> int:
        """L, how many items a history holds."""
        return self.known.history.shape[1]

    @property
    def reads_rewards(self) -> bool:
        """Whether a session's dislikes move the state, too."""
        return self.recommender.reads_rewards

    def recommend(self, queries: Sequence[Query], k: int = 10) -> list[list[Recommendation]]:
        """The top K items of each query, best first; fewer where fewer are left.

        Raises:
            InputError: an id is unknown, or K is below 1.
        """
        k = checked_k(k)
        asked = [understood(query, self.known) for query in queries]
        found = answers(self.recommender, self.searcher, asked, k)
        return [self._named(*each) for each in found]

    def similar(self, item: str, k: int = 10) -> list[Recommendation]:
        """The K items most similar to an item; see `Recommender.similar_items`.

        Raises:
            InputError: the item is unknown, or K is below 1.
        """
        dense = int(dense_items(self.known, [item], "item")[0])
        cosine = self.recommender.cosines(dense)
        if cosine is None:
            return self.recommend([Query(liked=[item])], k)[0]
        top = top_items(cosine[None], checked_k(k))
        return self._named(top.item, top.score)

    def search(self, text: str, k: int = 10) -> list[Titled]:
        """The K items whose titles fit a text; see `TitleIndex.search`.

        Raises:
            InputError: K is below 1.
        """
        return self._title_index.search(text, checked_k(k))

    def find_users(self, text: str, k: int = 10) -> list[Person]:
        """K users of the training log; see `found_users`.

        Raises:
            InputError: K is below 1.
        """
        return found_users(self.known, text, checked_k(k))

    def title(self, item: str) -> str:
        """The title of an item of the catalogue, "" where unknown."""
        return str(self.titles[self.items.dense(item)])

    def explain(self, query: Query, item: str, top: int = 3) -> Explanation:
        """The items of the user that speak most for an item; see `Explanation`.

        Raises:
            InputError: an id is unknown, or `top` is below 1.
        """
        return self.explain_all(query, [item], top)[0]

    def explain_all(self, query: Query, items: Sequence[str], top: int = 3) -> list[Explanation]:
        """The same for several items, in little more time.

        Raises:
            InputError: an id is unknown, or `top` is below 1.
        """
        dense = dense_items(self.known, items, "item")
        found = amounts(self.recommender, understood(query, self.known), dense)
        return [self._explained(*each, checked_k(top)) for each in zip(items, found, strict=True)]

    def _explained(self, item: str, found: Amounts, top: int) -> Explanation:
        best = np.argsort(-found.amount, kind="stable")[:top]
        reasons = [
            Reason(str(self.items.raw[each]), str(self.titles[each]), float(amount))
            for each, amount in zip(found.items[best], found.amount[best], strict=True)
            if amount > 0
        ]
        return Explanation(item, found.score, found.method, reasons)

    @functools.cached_property
    def _title_index(self) -> TitleIndex:
        return TitleIndex(self.known)

    def _named(self, items: np.ndarray, scores: np.ndarray) -> list[Recommendation]:
        """[K] dense ids and scores as answers have them."""
        parts = self.items.raw[items], self.known.titles[items], scores
        return list(map(Recommendation, *map(np.ndarray.tolist, parts)))


def _name_of(path: pathlib.Path) -> str:
    """Of the run, where the file is a run's; else of the file."""
    if path.name not in (MODEL, SERVED):
        return path.stem
    folder = path.resolve().parent
    return folder.parent.name if folder.name.startswith("seed-") else folder.name
