"""Prompts as token ids, by the model's own chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.errors import InputError, told
from drrec.llm.catalogue import ITEM, checked_titles, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drrec.llm.config import ModelConfig

NEXT = "Continue the list of what I chose, in order."
HISTORY, CANDIDATES = "What I chose, in order:", "Candidates:"
ASK = "Which candidate do I choose next? Answer as [ITEM_id] title."
NOTHING = "nothing"
THOUGHTS = "Thoughts on what I may choose next, for reference only:"
SHOWN = "What I chose, in order, with what its pictures show:"
STEPS = (
    "Think about what I choose next, step by step.\n"
    "Step 1: Name the signals in what I chose that say most about what I prefer.\n"
    "Step 2: Infer what I want next, and what such an item is like.\n"
    "Step 3: Give 3 to 5 criteria to find it by, such as themes, mood, genre and looks.\n"
    "Step 4: Sum up the next item in one sentence.\n"
    "Write each step on a line of its own that begins with its name, 4 to 6 sentences in all."
)
INSTRUCTIONS = (NEXT, HISTORY, CANDIDATES, ASK, NOTHING)
"""Every word that prompts of item tokens have beside items, roles and the template."""


class Prompts:
    """Turns histories, candidates and answers into token ids; counts what had to be cut."""

    def __init__(self, tokenizer: Any, titles: np.ndarray, config: ModelConfig) -> None:
        """For a catalogue with `titles [I]`.

        Raises:
            InputError: the tokenizer has no chat template, titles do not tell items apart, or the
                model has tokens for another number of items.
        """
        self.tokenizer, self._config = tokenizer, config
        if not getattr(tokenizer, "chat_template", None):
            raise InputError(
                "Expected a tokenizer with a chat template. Received: one without. Name an "
                "instruction-tuned model, or add chat_template.jinja to its folder."
            )
        vocabulary = tokenizer.get_vocab()
        self.has_item_tokens = ITEM.format(1) in vocabulary
        if self.has_item_tokens:
            last = ITEM.format(len(titles) - 1)
            if last not in vocabulary or ITEM.format(len(titles)) in vocabulary:
                raise InputError(
                    f"Expected a model with tokens for {len(titles) - 1:,} items. Received: one "
                    "with tokens for another catalogue. Train one on this data set."
                )
            self.titles = [""] * len(titles)
        else:
            self.titles = checked_titles(titles, number_repeated=config.number_titles)
        lines = [
            ITEM.format(item) if self.has_item_tokens else self.titles[item]
            for item in range(len(titles))
        ]
        self.codes: list[list[int]] = self._encoded([f"{line}\n" for line in lines])
        self._opening = self._templated(NEXT)
        self.num_prompts = self.num_cut = 0

    def next_prompt(self, history: np.ndarray) -> list[int]:
        """Token ids after which the next item's code follows."""
        return [*self._opening, *(code for item in self._fitted(history) for code in item)]

    def next_row(self, items: np.ndarray) -> tuple[list[int], int]:
        """Token ids of a whole list, and how many of them at its start are the prompt."""
        codes = [code for item in self._fitted(items) for code in item]
        return [*self._opening, *codes], len(self._opening)

    def answer_prompt(
        self, history: np.ndarray, candidates: np.ndarray, thoughts: str = ""
    ) -> list[int]:
        """Token ids of a prompt with the history and the candidates, in their order.

        `thoughts` are reasoning that is shown with them, "" for none.
        """
        may = [self._spoken(item) for item in candidates]
        shown = [THOUGHTS, thoughts] if thoughts else []

        def question(kept: np.ndarray) -> str:
            had = [self._spoken(item) for item in kept] or [NOTHING]
            return "\n".join([HISTORY, *had, CANDIDATES, *may, *shown, ASK])

        return self._within_context(history, len(candidates), question)

    def reason_prompt(self, history: np.ndarray, captions: Sequence[str]) -> list[int]:
        """Token ids of a prompt for reasoning about what follows a history; that is not in it.

        `captions [I]` are "" where there is none.
        """

        def question(kept: np.ndarray) -> str:
            had = [f"{self.titles[item]}: {captions[item]}".rstrip(": ") for item in kept]
            return "\n".join([SHOWN, *(had or [NOTHING]), STEPS])

        return self._within_context(history, 0, question)

    def answer(self, item: int) -> list[int]:
        """Token ids of the right answer, its end included."""
        text = self._spoken(item)
        return [*self._encoded([text])[0], self.tokenizer.eos_token_id]

    def said_cut(self) -> str:
        """How many histories were cut, in words."""
        return (
            f"{self.num_cut:,} of {self.num_prompts:,} histories were cut, the oldest items first"
        )

    def _fitted(self, history: np.ndarray) -> list[list[int]]:
        """The codes of the latest items for which there is room."""
        room = self._config.context - len(self._opening)
        kept: list[list[int]] = []
        for item in history[::-1][: self._config.history]:
            room -= len(self.codes[item])
            if room < 0:
                break
            kept.append(self.codes[item])
        if len(history) and not kept:
            raise self._too_short(len(self._opening) + len(self.codes[history[-1]]))
        self.num_prompts += 1
        self.num_cut += len(kept) < len(history)
        return kept[::-1]

    def _spoken(self, item: int) -> str:
        return spoken(item, self.titles[item])

    def _within_context(
        self, history: np.ndarray, num_others: int, question: Callable[[np.ndarray], str]
    ) -> list[int]:
        """Token ids of a question about as much of a history as there is room for."""
        kept = history[-self._config.history :]
        self.num_prompts += 1
        is_cut = len(kept) < len(history)
        ids = self._templated(question(kept))
        while len(ids) > self._config.context and len(kept):
            each = max(1, len(ids) // (len(kept) + num_others))
            kept = kept[max(1, (len(ids) - self._config.context) // each) :]
            ids, is_cut = self._templated(question(kept)), True
        if len(ids) > self._config.context:
            raise self._too_short(len(ids))
        self.num_cut += is_cut
        return ids

    def _templated(self, content: str) -> list[int]:
        message = [{"role": "user", "content": content}]
        try:
            text = self.tokenizer.apply_chat_template(
                message, add_generation_prompt=True, tokenize=False, enable_thinking=False
            )
        except Exception as error:  # a template is a program of others
            raise InputError(
                f"Expected a chat template for a user's message. Received: {told(error)}."
            ) from error
        return self._encoded([text])[0]

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"]

    def _too_short(self, needed: int) -> InputError:
        return InputError(
            f"Expected a context with room for a prompt. Received: --context "
            f"{self._config.context} for {needed:,} tokens. Pass a larger one."
        )
