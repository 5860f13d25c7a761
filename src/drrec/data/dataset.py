"""A named log, what its items are called, and what is known of them beside."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from drrec.data.interactions import Interactions, Repeats
from drrec.errors import InputError, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd

    from drrec.data.scale import RatingScale


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A named rating log with item titles, genres and features.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": ["ann", "bob"], "item": [7, 8], "rating": [4, 2]})
        >>> data = drrec.Dataset.from_pandas(log, titles={7: "Seven"}, name="films")
        >>> data.name, len(data.interactions), data.titles.tolist()
        ('films', 2, ['', 'Seven', ''])
    """

    name: str
    interactions: Interactions
    titles: np.ndarray  # [I] str, "" if unknown
    genres: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, "<U1"))
    # [I] str, joined by ", "; "" if unknown
    parts: np.ndarray | None = None  # [R] int8 of `data.strategies`, if it comes with a split
    features: Mapping[str, Any] | None = None  # content features of the items by modality
    truth: Any = None  # the user model of synthetic ratings, a `worlds.world.Truth`
    known: Interactions | None = None  # of a test part: the training log
    scale: RatingScale | None = None  # what the ratings were before they became 1 to 5
    key: str = ""  # unlike those of other data sets, which may share the name; by default the name
    is_observed: bool = False  # users did not choose what to rate in the test part of `parts`

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)
        if not self.genres.size:
            object.__setattr__(self, "genres", np.full(self.interactions.num_items, ""))

    @property
    def is_implicit(self) -> bool:
        """Whether feedback is implicit: all ratings are equal."""
        return bool(np.ptp(self.interactions.rating) == 0)

    @classmethod
    def from_pandas(
        cls,
        frame: pd.DataFrame,
        *,
        user: str = "user",
        item: str = "item",
        rating: str = "rating",
        timestamp: str = "timestamp",
        titles: Mapping[Any, str] | None = None,
        name: str = "log",
        repeats: Repeats = "drop",
        **settings: Any,
    ) -> Dataset:
        """Build from a data frame of ratings or of implicit feedback.

        Args:
            frame: one row per interaction.
            user: column of raw user ids.
            item: column of raw item ids.
            rating: column of ratings on any scale, which is read off them. If there is no such
                column, feedback is implicit: each row is a like.
            timestamp: column of dates, or of numbers since 1970 in seconds or a finer unit. If
                there is no such column, rows are in order of time.
            titles: item titles by raw item id.
            name: name of the data set.
            repeats: rows with the same user and item: `drop` all but the latest, or `keep` all.
            settings: of `drrec.data.config.LogConfig`: rating_scale such as "1,10", like_from,
                rating_kind ("rating", "count" or "duration") and unrated.

        Raises:
            InputError: a column is missing, or a value is of none of these kinds.

        Examples:
            >>> import drrec, pandas as pd
            >>> frame = pd.DataFrame({"user": ["ann", "bob"], "item": [7, 8]})
            >>> drrec.Dataset.from_pandas(frame).interactions.items.raw.tolist()
            ['', '7', '8']
        """
        import pandas as pd

        from drrec.data.config import LogConfig
        from drrec.data.logs import dataset_of
        from drrec.data.readers import frames
        from drrec.data.readers.staged import staging
        from drrec.data.readers.titles import sound_words

        if missing := [column for column in (user, item) if column not in frame.columns]:
            raise InputError(
                f"Expected columns {shown(user)} and {shown(item)}. "
                f"Received: no {' and no '.join(missing)} "
                f"among {', '.join(map(str, frame.columns))}. Name them by user= and item=."
            )
        named = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
        there = {kind: frame[each] for kind, each in named.items() if each in frame.columns}
        with staging(name) as log:
            frames.read(pd.DataFrame(there), log)
            made = dataset_of(log, name, LogConfig(**settings), repeats, least_users=1)
        called = {str(key): title for key, title in (titles or {}).items()}
        items = made.interactions.items.raw.tolist()
        return dataclasses.replace(made, titles=sound_words([called.get(raw, "") for raw in items]))

    @classmethod
    def from_csv(
        cls, path: str | os.PathLike[str], repeats: Repeats = "drop", **settings: Any
    ) -> Dataset:
        """Read a log from a file: CSV, TSV, JSON lines or Parquet, also packed (.gz, .zip).

        Args:
            path: a file with columns user and item and, optionally, rating and timestamp.
            repeats: rows with the same user and item: `drop` all but the latest, or `keep` all.
            settings: of `drrec.data.config.LogConfig`, such as user_column or rating_scale.

        Raises:
            InputError: the file is missing or malformed; the message names the row.

        Examples:
            >>> import drrec, pathlib
            >>> _ = pathlib.Path("log.csv").write_text("user,item,rating\\nann,x,5\\nbob,y,2\\n")
            >>> drrec.Dataset.from_csv("log.csv").interactions.rating.tolist()
            [5.0, 2.0]
        """
        from drrec.data.config import LogConfig
        from drrec.data.readers.files import load

        return load(pathlib.Path(path), LogConfig(**settings), repeats)

    def split(
        self,
        strategy: str = "temporal",
        *,
        on: Literal["test", "validation"] = "test",
        seed: int = 0,
    ) -> tuple[Dataset, Dataset]:
        """Split into a training part and a test part.

        Args:
            strategy: temporal (each user's last fifth is test), leave_one_out, global_time, user
                (cold users), item (cold items), random, or given (the data set's own parts).
            on: `test`: train on train and validation, test on test. `validation`: train on train,
                test on validation, to choose settings.
            seed: random seed of the strategies user, item and random.

        Returns:
            The training part and the test part, with the ids of this data set. The test part
            holds the training log as well, for histories and seen items.

        Raises:
            InputError: the strategy is unknown, or a part would be empty.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": ["ann"] * 10, "item": range(10)})
            >>> train, test = drrec.Dataset.from_pandas(log).split("temporal")
            >>> len(train.interactions), len(test.interactions)
            (8, 2)
        """
        from drrec.data.split import GIVEN, SplitConfig, split_interactions

        if on not in ("test", "validation"):
            raise InputError(f"Expected `on` to be test or validation. Received: {shown(on)}.")
        config = SplitConfig(strategy=strategy, seed=seed)
        split = split_interactions(self.interactions, config, self.parts)
        if on == "test":
            split = split.final()
        asked = split.test if on == "test" else split.validation
        train = dataclasses.replace(self, interactions=split.train, parts=None)
        is_observed = self.is_observed and strategy == GIVEN and on == "test"
        return (
            dataclasses.replace(train, is_observed=False),
            dataclasses.replace(
                train, interactions=asked, known=split.train, is_observed=is_observed
            ),
        )
