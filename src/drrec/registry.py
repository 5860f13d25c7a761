"""What there is to choose from, by name: flags, YAML and configs read their choices here.

An entry is a class, or says where one stands and is imported when it is asked for. Installed
packages add their own under entry points named `drrec.<kind>`, a notebook by `register`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.metadata
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from drrec.errors import InputError
from drrec.lazy import resolved


class Registry(MutableMapping[str, Any]):
    """Things of one kind by name, in the order that tables have; plug-ins stand last."""

    def __init__(self, kind: str, entries: Mapping[str, Any]) -> None:
        """`entries` are things, or paths `module:name` of them."""
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Any:
        if name not in self._all:
            raise KeyError(name)
        entry = self._all[name]
        if isinstance(entry, str):
            entry = self._all[name] = resolved(entry)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    @functools.cached_property
    def _all(self) -> dict[str, Any]:
        found = importlib.metadata.entry_points(group=f"drrec.{self.kind}")
        return self._entries | {point.name: point.value for point in found}

    def __delitem__(self, name: str) -> None:
        del self._all[name]

    def __setitem__(self, name: str, entry: Any) -> None:
        """Enter a thing, or its path; one of the same name is replaced.

        Raises:
            InputError: the name is no plain word.
        """
        if not name.isidentifier():
            raise InputError(
                f"Expected a name of letters, digits and underscores. Received: {name!r}."
            )
        self._all[name] = entry

    def checked(self, name: str, setting: str) -> str:
        """The name, if there is such a thing.

        Raises:
            InputError: there is not; the message names the nearest, or all.
        """
        if name in self._all:
            return name
        near = difflib.get_close_matches(str(name), self._all, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"Expected `{setting}` to be {' or '.join(self._all)}. Received: {name!r}. "
            f"{hint}Others are added by drrec.register or an entry point drrec.{self.kind}."
        )

    def name_of(self, thing: Any) -> str | None:
        """The name that a thing stands under; None if it is not registered."""
        path = f"{thing.__module__}:{thing.__qualname__}"
        for name, entry in self._all.items():
            if entry is thing or entry == path:
                return name
        return None


AGENTS = Registry(
    "agents",
    {
        "ddpg": "drrec.agents.ddpg:DDPG",
        "td3": "drrec.agents.td3:TD3",
        "sac": "drrec.agents.sac:SAC",
        "ppo": "drrec.agents.ppo:PPO",
        "a2c": "drrec.agents.a2c:A2C",
        "supervised": "drrec.agents.supervised:Supervised",
    },
)
AGENT_CONFIGS = {
    "ddpg": "drrec.agents.config:DDPGConfig",
    "td3": "drrec.agents.config:TD3Config",
    "sac": "drrec.agents.config:SACConfig",
    "ppo": "drrec.agents.config:PPOConfig",
    "a2c": "drrec.agents.config:A2CConfig",
    "supervised": "drrec.agents.config:SupervisedConfig",
}
"""Settings of our own agents, which are read without loading TensorFlow."""

BASELINES = Registry(
    "baselines",
    {
        "random": "drrec.baselines.chance:Random",
        "popularity": "drrec.baselines.popularity:Popularity",
        "recent": "drrec.baselines.popularity:RecentPopularity",
        "personal": "drrec.baselines.personal:PersonalPopularity",
        "item_cf": "drrec.baselines.collaborative:ItemCF",
        "item_knn": "drrec.baselines.knn:ItemKNN",
        "user_cf": "drrec.baselines.collaborative:UserCF",
        "user_knn": "drrec.baselines.knn:UserKNN",
        "ease": "drrec.baselines.ease:EASE",
        "bpr": "drrec.baselines.bpr:BPR",
        "pmf": "drrec.baselines.factorisation:PMF",
        "variational": "drrec.baselines.factorisation:VariationalMF",
        "gru4rec": "drrec.baselines.sequential.recommenders:GRU4Rec",
        "sasrec": "drrec.baselines.sequential.recommenders:SASRec",
    },
)
CONTENT_BASELINES = Registry(
    "content_baselines", {"content_knn": "drrec.baselines.content:ContentKNN"}
)
"""Baselines that need features of the items."""

STATES = Registry(
    "states",
    {
        "drr_p": "drrec.nn.state.drr:DRRP",
        "drr_u": "drrec.nn.state.drr:DRRU",
        "drr_ave": "drrec.nn.state.drr:DRRAve",
        "attention": "drrec.nn.state.attention:Attention",
    },
)
FUSIONS = Registry(
    "fusions",
    {
        "early": "drrec.nn.fusion.early:EarlyFusion",
        "late": "drrec.nn.fusion.late:LateFusion",
        "gated": "drrec.nn.fusion.gated:GatedFusion",
    },
)
PROTOCOLS = Registry(
    "protocols",
    {
        "rated": "drrec.evaluation.protocols.rated:RATED",
        "full": "drrec.evaluation.protocols.full:FULL",
        "unmasked": "drrec.evaluation.protocols.full:UNMASKED",
        "sampled": "drrec.evaluation.protocols.sampled:SAMPLED",
        "ranked": "drrec.evaluation.protocols.ranked:RANKED",
        "cold_items": "drrec.evaluation.protocols.ranked:COLD_ITEMS",
        "cold_users": "drrec.evaluation.protocols.rated:COLD_USERS",
        "session": "drrec.evaluation.protocols.session:SESSION",
        "simulator": "drrec.evaluation.protocols.simulated:SIMULATOR",
        "drifting": "drrec.evaluation.protocols.drifting:DRIFTING",
    },
)
REGISTRIES = {
    each.kind: each for each in (AGENTS, BASELINES, CONTENT_BASELINES, STATES, FUSIONS, PROTOCOLS)
}


class OneOf(tyro.constructors.PrimitiveConstructorSpec[str]):
    """Marks a setting that names an entry of a registry: `--help` lists what there is by then."""

    kind: str

    def __init__(self, kind: str) -> None:
        """`kind` as in `REGISTRIES`."""
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "nargs", 1)
        object.__setattr__(self, "instance_from_str", lambda given: given[0])
        object.__setattr__(self, "is_instance", lambda value: isinstance(value, str))
        object.__setattr__(self, "str_from_instance", lambda value: [value])
        object.__setattr__(self, "_action", None)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names."""
        return tuple(REGISTRIES[self.kind])

    @property
    def metavar(self) -> str:
        """The names as `--help` shows them."""
        return "{" + ",".join(self.choices) + "}"

    def __hash__(self) -> int:
        return hash(self.kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneOf) and self.kind == other.kind


if TYPE_CHECKING:
    AgentName = str
    State = str
    FusionName = str
else:
    AgentName = Annotated[str, OneOf("agents")]
    State = Annotated[str, OneOf("states")]
    FusionName = Annotated[str, OneOf("fusions")]


def check_choices(settings: Any) -> None:
    """See that each `Literal` setting has one of its words, and each marked `OneOf` a known name.

    Raises:
        InputError: one does not.
    """
    hints = get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value, hint = getattr(settings, field.name), hints[field.name]
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, OneOf):
                REGISTRIES[mark.kind].checked(value, field.name)
        for kind in (hint, *get_args(hint)):  # of `Literal[…] | None`, whose default is None, too
            if get_origin(kind) is Literal and value not in (*get_args(kind), field.default):
                words = " or ".join(map(str, get_args(kind)))
                raise InputError(f"Expected `{field.name}` to be {words}. Received: {value!r}.")


def register(kind: str, name: str, thing: Any) -> None:
    """Add to what there is to choose from; flags, YAML and configs know it from then on.

    Args:
        kind: agents, baselines, content_baselines, states, fusions or protocols.
        name: a plain word. One of the same name is replaced.
        thing: a class (of protocols, a `Protocol`), or its path `module:name`.

    Raises:
        InputError: there is no such kind, or the name is no plain word.

    Example:
        >>> import drrec
        >>> drrec.register("baselines", "mine", drrec.Popularity)
        >>> "mine" in drrec.registry.BASELINES
        True
    """
    if kind not in REGISTRIES:
        raise InputError(f"Expected a kind of {', '.join(REGISTRIES)}. Received: {kind!r}.")
    REGISTRIES[kind][name] = thing


def agent_config(name: str) -> type[Any]:
    """The class of an agent's settings; of a plug-in's agent its attribute `Config`."""
    if name in AGENT_CONFIGS and not isinstance(AGENTS._all.get(name), type):
        return resolved(AGENT_CONFIGS[name])
    return AGENTS[name].Config
