"""An engine of eleven items and a few users, whose scores can be told by hand."""

from __future__ import annotations

from drrec.errors import InputError, shown
from drrec.serving.explaining import Explanation, Reason
from drrec.serving.people import Person
from drrec.serving.queries import Recommendation
from drrec.serving.titles import Titled

ITEMS = [f"i{n}" for n in range(8)] + ["a/b", "🎬", "x y"]
USERS = ["ann", "bob", "u/1", "🎧"]


class TinyEngine:
    """Scores are −position in ITEMS, +10 after a session's like for items of the same parity."""

    algorithm, backend = "tiny", "numpy"
    item_encoder, why_no_items = None, "a tiny one"

    def __init__(self, version="v1", name="tiny"):
        self.name, self.version = name, version
        self.users, self.items = USERS, ITEMS
        self.num_items = len(ITEMS)
        self.calls, self.base = [], self

    def score(self, query, place):
        liked = [*query.liked, *(item for item, reward in query.session if reward > 0)]
        bonus = sum(10 for item in liked if ITEMS.index(item) % 2 == place % 2)
        return bonus - place

    def recommend(self, queries, k):
        self.calls.append(len(queries))
        for query in queries:
            given = (*query.liked, *query.disliked, *query.block, *(i for i, _ in query.session))
            if unknown := [each for each in given if each not in ITEMS]:
                raise InputError(f"Expected known items. Received: {shown(unknown)}.")
        lists = []
        for query in queries:
            out = {*query.block, *query.liked, *query.disliked, *(i for i, _ in query.session)}
            scored = [
                Recommendation(item, f"Film {item}", float(self.score(query, place)))
                for place, item in enumerate(ITEMS)
                if item not in out and (query.allow is None or item in query.allow)
            ]
            lists.append(sorted(scored, key=lambda each: -each.score)[:k])
        return lists

    def similar(self, item, k):
        return [Recommendation(each, f"Film {each}", 0.5) for each in ITEMS if each != item][:k]

    def search(self, text, k):
        found = [each for each in ITEMS if text.lower() in f"film {each}"]
        return [Titled(each, f"Film {each}") for each in found][:k]

    def find_users(self, text, k):
        return [Person(user, 1, []) for user in USERS if user.startswith(text)][:k]

    def title(self, item):
        return f"Film {item}"

    def explain_all(self, query, items, top=3):
        reasons = [Reason("i0", "Film i0", 0.75)][:top]
        return [Explanation(item, 1.0, "shares", reasons) for item in items]
