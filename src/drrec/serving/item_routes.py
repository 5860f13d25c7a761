"""Routes for items that came after training."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator
from starlette.exceptions import HTTPException
from starlette.responses import Response

from drrec.errors import shown as as_shown
from drrec.features.texts import joined_text
from drrec.serving.answers import Json, StrictRoute
from drrec.serving.bodies import Error, Given, Id
from drrec.serving.recommending import InPath
from drrec.serving.records import AddedItem, AddItem, Outcome, RemoveItem
from drrec.serving.text_encoding import TextEncoding

if TYPE_CHECKING:
    from typing import Self

    from drrec.serving.engine import Engine
    from drrec.serving.item_encoder import NumPyItemEncoder
    from drrec.serving.service import Service

MOST_ADDED = 10_000
"""Items that a store holds beside the log's."""

MOST_DIMS = 65_536

Word = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Numbers = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False, ge=-1e30, le=1e30)]],
    Field(min_length=1, max_length=MOST_DIMS),
]


class NewItem(Given):
    """An item that is not in the log, and its content: one of `features` and `text`."""

    id: Id
    title: Word
    genres: list[Word] = Field([], max_length=50)
    year: Annotated[int, Field(ge=1, le=9_999)] | None = None
    features: dict[str, Numbers] | None = Field(
        None, description="Vectors by modality, as the run's encoders give them."
    )
    text: Annotated[str, Field(min_length=1, max_length=100_000)] | None = Field(
        None, description="A text, such as a plot; it is encoded with title, year and genres."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.features is None) == (self.text is None):
            raise ValueError("one of features and text is expected")
        return self

    @property
    def full_title(self) -> str:
        """With the year, as titles of logs have it."""
        return f"{self.title} ({self.year})" if self.year is not None else self.title

    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


class ItemStored(BaseModel):
    """What is recommended from now on."""

    item: str
    title: str
    outcome: Literal["stored", "repeated"]
    encoded_by: dict[str, str] = Field(description="Encoders of its content, by modality.")
    model: str


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(route_class=StrictRoute, tags=["items"])
    texts = TextEncoding(service.config.answer_seconds * 0.9)

    @router.post(
        "/v1/items",
        status_code=201,
        response_model=ItemStored,
        responses={
            200: {"model": ItemStored, "description": "The same was stored before."},
            409: {"model": Error},
            503: {"model": Error},
            507: {"model": Error},
        },
    )
    async def add(new: NewItem) -> Json:
        """Add an item by its content; it is recommended from then on."""
        served = service.models.served[0]
        encoder = _encoder_of(served.engine)
        stored = await service.read(service.store.item, new.id)
        if stored is not None and stored.digest == new.digest():
            return _told(stored, served.label, "repeated", 200)
        if stored is not None or new.id in served.engine.base.items:
            what = "an item of the log" if stored is None else "another item of this id"
            raise _conflict(new.id, what)
        if new.features is not None:
            features = new.features
        else:
            features = {"text": await _encoded(texts, served.engine.name, encoder, new)}
        encoder.check(features)
        added = _added(new, features, encoder)
        [outcome] = await service.write([AddItem(added, MOST_ADDED)])
        if outcome is Outcome.CONFLICT:
            raise _conflict(new.id, "another item of this id")
        if outcome is Outcome.FULL:
            raise HTTPException(
                507,
                f"Expected at most {MOST_ADDED:,} items beside the log's. Received: one more. "
                "Train on them (drrec update), and delete those that are not needed.",
            )
        await service.sync_items()
        status = 201 if outcome is Outcome.STORED else 200
        return _told(added, served.label, outcome.value, status)

    @router.delete("/v1/items/{item:id}", status_code=204, responses={404: {"model": Error}})
    async def remove(item: InPath) -> Response:
        """Remove an item that was added; those of the log stay."""
        [outcome] = await service.write([RemoveItem(item)])
        if outcome is not Outcome.STORED:
            raise HTTPException(
                404, f"Expected an item that was added. Received: {as_shown(item)}, which was not."
            )
        await service.sync_items()
        return Response(status_code=204)

    return router


def _encoder_of(engine: Engine) -> NumPyItemEncoder:
    if engine.base.item_encoder is None:
        raise HTTPException(
            422,
            f"Expected a run that makes items' vectors of content. Received: {engine.name}, "
            f"{engine.why_no_items}. Serve one that was trained with --modality.",
        )
    return engine.base.item_encoder


def _added(new: NewItem, features: dict[str, list[float]], encoder: NumPyItemEncoder) -> AddedItem:
    return AddedItem(
        id=new.id,
        title=new.full_title,
        genres=tuple(new.genres),
        features={name: tuple(each) for name, each in features.items()},
        encoded_by={name: encoder.made_by[name] for name in features},
        digest=new.digest(),
        time=time.time(),
    )


async def _encoded(
    texts: TextEncoding, run: str, encoder: NumPyItemEncoder, new: NewItem
) -> list[float]:
    settings: dict[str, Any] | None = encoder.head["text"]
    if settings is None:
        raise HTTPException(
            422,
            f"Expected features. Received: a text, and {run} does not know how texts "
            "become features: it has none, or they were imported.",
        )
    text = joined_text(new.full_title, ", ".join(new.genres), " ".join((new.text or "").split()))
    return await texts.encoded(settings, text)


def _conflict(item: str, what: str) -> HTTPException:
    return HTTPException(
        409, f"Expected an id that is new. Received: {as_shown(item)}, which is {what}."
    )


def _told(added: AddedItem, model: str, outcome: str, status: int) -> Json:
    content = {
        "item": added.id,
        "title": added.title,
        "outcome": outcome,
        "encoded_by": added.encoded_by,
        "model": model,
    }
    return Json(content, status)
