"""Titles, genres and synopses of made-up films."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from drrec.worlds.world import KINDS, TRAITS

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST = (
    *("Silent", "Crooked", "Golden", "Last", "Hidden", "Paper", "Northern", "Borrowed", "Second"),
    *("Hollow", "Distant", "Broken", "Green", "Sleeping", "Lucky", "Narrow", "Open", "Restless"),
    *("Salt", "Velvet", "Wandering", "Winter", "Copper", "Empty", "Early", "Foreign", "Faithful"),
)
_SECOND = (
    *("Harbour", "Letter", "Garden", "Window", "River", "Station", "Promise", "Orchard", "Mirror"),
    *("Bridge", "Stranger", "Lantern", "Season", "Island", "Corner", "Parade", "Ladder", "Compass"),
    *("Valley", "Summer", "Kitchen", "Engine", "Painter", "Meadow", "Avenue", "Portrait", "Shadow"),
)
GENRES = {
    "storm": ("Disaster", "Action", "Drama"),
    "chase": ("Action", "Crime", "Thriller"),
    "romance": ("Romance", "Drama", "Music"),
    "comedy": ("Comedy", "Family", "Romance"),
    "mystery": ("Mystery", "Crime", "Drama"),
}
_PLOTS = {
    "storm": (
        "A {person} faces a {hurricane|flood|blizzard|tempest} that tears the {coast|town} apart.",
        "When the {dam|sea wall} gives way, a {person} must {outlast|survive} the rising water.",
        "A {tornado|wildfire|typhoon} closes in while a {person} searches the {ruins|wreckage}.",
    ),
    "chase": (
        "A {person} races {cars|trucks} over the {border|bridges} with {police|killers} behind.",
        "Pursued by a {gang|hitman}, a {person} has one night to {flee|escape} with {money|files}.",
        "A {getaway|heist} goes wrong and a {person} runs across {rooftops|trains|motorways}.",
    ),
    "romance": (
        "A {person} falls in love with a {pianist|neighbour|gardener} over one {spring|summer}.",
        "Two {letters|weddings} bring a {person} back to a {sweetheart|lover} of long ago.",
        "A {person} and a {dancer|widow} learn to {trust|forgive} and lose their {hearts|fears}.",
    ),
    "comedy": (
        "A {person} inherits a {circus|hotel|goat} and every {prank|mishap} makes it funnier.",
        "A {reunion|dinner} full of {mix-ups|jokes} leaves a {person} in {pyjamas|disguise}.",
        "A clumsy {person} bluffs through a {talent show|cooking contest} to {laughter|applause}.",
    ),
    "mystery": (
        "A {person} finds a {coded diary|locked room} and a {clue|secret} nobody should have left.",
        "When a {guest|curator} vanishes, a {person} questions {suspects|witnesses} one by one.",
        "An {unsigned note|old photograph} leads a {person} to {solve|unravel} a {murder|riddle}.",
    ),
}
_PEOPLE = ("teacher", "nurse", "baker", "sailor", "student", "farmer", "clerk", "lawyer", "singer")
_LEVELS = {
    "brightness": (
        ("pitch-dark", "gloomy", "sombre"),
        ("dim", "shadowy", "muted"),
        ("even-lit", "plain", "daylit"),
        ("bright", "clear", "fresh"),
        ("sun-drenched", "radiant", "dazzling"),
    ),
    "pace": (
        ("glacial", "unhurried", "drifting"),
        ("slow", "calm", "leisurely"),
        ("steady", "measured", "regular"),
        ("quick", "lively", "brisk"),
        ("frantic", "breathless", "relentless"),
    ),
    "depth": (
        ("frivolous", "shallow", "weightless"),
        ("light", "easy", "simple"),
        ("balanced", "sensible", "middling"),
        ("thoughtful", "serious", "layered"),
        ("profound", "philosophical", "unfathomable"),
    ),
}
_REMARKS = (
    "The look is {0}, the rhythm {1}, the mood {2}.",
    "{1} in tempo and {2} in spirit, it is filmed in {0} pictures.",
    "Critics called it {2}; its {0} images move at a {1} tempo.",
    "A {1}, {2} film with {0} photography.",
)


def titles(count: int, rng: np.random.Generator) -> list[str]:
    """So many titles, all different while there are enough words; they say nothing of the film."""
    names = [" ".join(words) for words in itertools.product(_FIRST, _SECOND)]
    order = rng.permutation(len(names))
    return [
        names[order[place % len(names)]] + (f" {place // len(names) + 1}" * (place >= len(names)))
        for place in range(count)
    ]


def genres(kind: int, rng: np.random.Generator) -> str:
    """Two words that a kind has, of which other kinds have some too."""
    return " ".join(rng.choice(GENRES[KINDS[kind]], 2, replace=False))


def synopsis(kind: int, trait: np.ndarray, rng: np.random.Generator) -> str:
    """Two sentences that hint at a kind and at traits [T] in [−1, 1]."""
    plot = _told(_picked(_PLOTS[KINDS[kind]], rng), rng)
    levels = np.clip(((trait + 1) / 2 * 5).astype(int), 0, 4)
    words = [_picked(_LEVELS[name][level], rng) for name, level in zip(TRAITS, levels, strict=True)]
    remark = _picked(_REMARKS, rng).format(*words)
    return f"{plot} {remark[0].upper()}{remark[1:]}"


def _told(template: str, rng: np.random.Generator) -> str:
    """Replace `{person}`, and each `{a|b}` by one of its words."""
    parts = template.replace("{person}", "{" + "|".join(_PEOPLE) + "}").split("{")
    told = parts[0]
    for part in parts[1:]:
        choices, rest = part.split("}")
        told += _picked(choices.split("|"), rng) + rest
    return told


def _picked(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
