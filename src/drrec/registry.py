"""Registries of agents, baselines, states, fusions and protocols; flags and configs read them.

An entry is a class, or its path `module:name`, imported on first use. Plug-in packages add entries
by entry points of the group `drrec.<kind>`, a script or notebook by `register`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.metadata
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from drrec.errors import InputError, shown
from drrec.lazy import resolved


class Registry(MutableMapping[str, Any]):
    """Entries of one kind by name, in the order of tables; plug-ins come last."""

    def __init__(self, kind: str, entries: Mapping[str, Any]) -> None:
        """`entries` are classes or other objects, or their paths `module:name`."""
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Any:
        if name not in self._all:
            raise KeyError(name)
        entry = self._all[name]
        if isinstance(entry, str):
            entry = self._all[name] = resolved(entry)
        return entry

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of this name, which is not imported."""
        return name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._all)

    @functools.cached_property
    def _all(self) -> dict[str, Any]:
        found = importlib.metadata.entry_points(group=f"drrec.{self.kind}")
        return self._entries | {point.name: point.value for point in found}

    def __delitem__(self, name: str) -> None:
        del self._all[name]

    def __setitem__(self, name: str, entry: Any) -> None:
        """Add an entry, or its path; an entry of the same name is replaced.

        Raises:
            InputError: the name is not an identifier.
        """
        if not name.isidentifier():
            raise InputError(
                f"Expected a name of letters, digits and underscores. Received: {shown(name)}."
            )
        self._all[name] = entry

    def checked(self, name: str, setting: str) -> str:
        """The name, if it is registered.

        Raises:
            InputError: it is not; the message suggests the nearest, or lists all.
        """
        if name in self._all:
            return name
        near = difflib.get_close_matches(str(name), self._all, n=1)
        hint = f"Did you mean {shown(near[0])}? " if near else ""
        raise InputError(
            f"Expected `{setting}` to be {' or '.join(self._all)}. Received: {shown(name)}. "
            f"{hint}Others are added by drrec.register or an entry point drrec.{self.kind}."
        )

    def path_of(self, name: str) -> str:
        """The path `module:name` of an entry, which is not imported.

        Raises:
            KeyError: there is no such entry.
        """
        entry = self._all[name]
        return entry if isinstance(entry, str) else f"{entry.__module__}:{entry.__qualname__}"

    def name_of(self, thing: Any) -> str | None:
        """The name of an entry; None if it is not registered."""
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
"""Config classes of the built-in agents, read without loading TensorFlow."""

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
        "rules": "drrec.baselines.sequential.rules:SequentialRules",
        "gru4rec": "drrec.baselines.sequential.recommenders:GRU4Rec",
        "sasrec": "drrec.baselines.sequential.recommenders:SASRec",
    },
)
CONTENT_BASELINES = Registry(
    "content_baselines",
    {
        "content_knn": "drrec.baselines.content:ContentKNN",
        "two_tower": "drrec.baselines.two_tower:TwoTower",
    },
)
"""Baselines that need content features."""

LANGUAGE_MODELS = Registry(
    "language_models",
    {
        "llm_zero": "drrec.baselines.language_model:UntrainedLanguageModel",
        "llm_sft": "drrec.baselines.language_model:TunedLanguageModel",
        "llm_sft_long": "drrec.baselines.language_model:LongTunedLanguageModel",
        "llm": "drrec.baselines.language_model:LanguageModel",
    },
)
"""Baselines that learn for minutes in PyTorch's process: they are named, `all` leaves them out."""

STATES = Registry(
    "states",
    {
        "drr_p": "drrec.nn.state.drr:DRRP",
        "drr_u": "drrec.nn.state.drr:DRRU",
        "drr_ave": "drrec.nn.state.drr:DRRAve",
        "attention": "drrec.nn.state.attention:Attention",
        "feedback": "drrec.nn.state.feedback:Feedback",
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
        "sampled_9": "drrec.evaluation.protocols.sampled:SAMPLED_9",
        "ranked": "drrec.evaluation.protocols.ranked:RANKED",
        "cold_items": "drrec.evaluation.protocols.ranked:COLD_ITEMS",
        "cold_users": "drrec.evaluation.protocols.rated:COLD_USERS",
        "session": "drrec.evaluation.protocols.session:SESSION",
        "simulator": "drrec.evaluation.protocols.simulated:SIMULATOR",
        "tiring": "drrec.evaluation.protocols.simulated:TIRING",
        "observed": "drrec.evaluation.protocols.observed:OBSERVED",
        "drifting": "drrec.evaluation.protocols.drifting:DRIFTING",
    },
)
REGISTRIES = {
    each.kind: each
    for each in (
        *(AGENTS, BASELINES, CONTENT_BASELINES, LANGUAGE_MODELS),
        *(STATES, FUSIONS, PROTOCOLS),
    )
}


class OneOf(tyro.constructors.PrimitiveConstructorSpec[str]):
    """Marks a setting that names a registry entry: `--help` lists the entries."""

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
        """The names of the entries."""
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
                raise InputError(
                    f"Expected `{field.name}` to be {words}. Received: {shown(value)}."
                )


def register(kind: str, name: str, thing: Any) -> None:
    """Register a class under a name, which flags, YAML files and `drrec.load` then accept.

    Args:
        kind: agents, baselines, content_baselines, language_models, states, fusions or
            protocols.
        name: an identifier. An entry of the same name is replaced.
        thing: the class (for protocols, a `Protocol`), or its path `module:name`.

    Raises:
        InputError: the kind is unknown, or the name is not an identifier.

    Examples:
        >>> import drrec
        >>> class Mine(drrec.Popularity):
        ...     pass
        >>> drrec.register("baselines", "mine", Mine)
        >>> drrec.registry.BASELINES["mine"]().counted
        'ratings'
    """
    if kind not in REGISTRIES:
        raise InputError(f"Expected a kind of {', '.join(REGISTRIES)}. Received: {shown(kind)}.")
    REGISTRIES[kind][name] = thing


def agent_config(name: str) -> type[Any]:
    """The config class of an agent; for a plug-in's agent, its attribute `Config`."""
    if name in AGENT_CONFIGS and not isinstance(AGENTS._all.get(name), type):
        return resolved(AGENT_CONFIGS[name])
    return AGENTS[name].Config
