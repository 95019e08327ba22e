"""The addresses, behind the guard, and what answers them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from components.common.cores import cores
from components.common.errors import FacenetError, UsageError
from components.extract.photo import Which
from components.extract.photos import without_result
from components.extract.reasons import Reject
from components.extract.workers import Died, Late
from components.serve import open_inference, problem
from components.serve.form import Photo, read_form
from components.serve.guard import Guard, Limits
from components.serve.known import Known
from components.serve.metrics import MEDIA_TYPE, Metrics
from components.serve.openapi import document
from components.serve.page import page
from components.serve.problem import ProblemError
from components.serve.rate import Rate
from components.serve.settings import Settings
from components.serve.workers import Threads, Workers
from components.verify import enroll
from components.verify.answer import about, of_photo
from components.verify.faces import EmbeddedFace, embed_photo, no_face_error, reject_record
from components.verify.gallery import Enrollment, open_gallery
from components.verify.model import Model, open_model
from components.verify.settings import FAR
from components.verify.threshold import ChosenThreshold, choose_threshold
from components.verify.verify import verdicts

Seen = Sequence[EmbeddedFace] | Reject
# Requests for each process that are taken on: the last of more would wait too long.
_AT_ONCE = 8


class Answers:
    """What answers requests.

    Args:
        settings: the flags.
        model: the network, opened by them.
        workers: the processes with that network.
    """

    def __init__(self, settings: Settings, model: Model, workers: Workers) -> None:
        self._settings = settings
        self._model = model
        self._workers = workers
        self._known = known = Known(settings, model)
        self._gallery: Threads[partial[Any], Any] = Threads([lambda: lambda task: task(known)])
        self._threshold = pair_threshold(settings, model)

    async def verify(self, request: Request) -> Response:
        """Whether two photos or more show one person."""
        photos = await self._photos(request, 2)
        if isinstance(self._threshold, UsageError):
            raise self._threshold
        faces = []
        for photo, seen in zip(photos, await self._see(photos, "central"), strict=True):
            if isinstance(seen, Reject):
                raise problem.as_problem(no_face_error([(photo.name, seen)]), 422)
            faces.append(seen[0].embedding)
        pairs = verdicts([photo.name for photo in photos], np.stack(faces), self._threshold)
        about = {"model": self._model.to_json(), "threshold": self._threshold.to_json()}
        return JSONResponse({**about, "pairs": pairs})

    async def identify(self, request: Request) -> Response:
        """Who is in photos."""
        photos = await self._photos(request, 1)
        seen = await self._see(photos, "all")

        def named(known: Known) -> dict[str, Any]:
            people, threshold = known.people()
            records = [
                of_photo(photo.name, found, people, threshold, self._settings.top)
                for photo, found in zip(photos, seen, strict=True)
            ]
            return {**about(self._model, threshold, people), "photos": records}

        return JSONResponse(await self._gallery(partial(named)))

    async def embed(self, request: Request) -> Response:
        """The embeddings of all faces in photos."""
        photos = await self._photos(request, 1)
        records = [
            _embedded(photo.name, found) for photo, found in zip(photos, await self._see(photos, "all"), strict=True)
        ]
        return JSONResponse({"model": self._model.to_json(), "photos": records})

    async def enroll(self, request: Request) -> Response:
        """Puts the faces of photos into the gallery, all under one name."""
        form = await read_form(request, self._settings.max_bytes, photos=1, named=True)
        paths = [Path(photo.name) for photo in form.photos]
        try:
            enroll.check_names([(paths[0], form.person)])
        except UsageError as error:
            raise problem.as_problem(error, 422) from error
        outcome = enroll.Seen()
        enrollments: list[Enrollment] = []
        for path, seen in zip(paths, await self._see(form.photos, "only"), strict=True):
            enrollments += enroll.enrollment(path, form.person, seen, self._model, outcome)
        if not enrollments:
            raise problem.as_problem(enroll.nobody_error(outcome.rejects), 422)
        added = await self._gallery(partial(Known.enroll, enrollments=enrollments))
        return JSONResponse(enroll.record(self._model, self._settings.gallery, added, outcome))

    async def forget(self, request: Request) -> Response:
        """Removes a person from the gallery."""
        form = await read_form(request, self._settings.max_bytes, photos=0, named=True)
        try:
            faces = await self._gallery(partial(Known.forget, name=form.person))
        except UsageError as error:
            raise problem.as_problem(error, 404) from error
        return JSONResponse({"gallery": str(self._settings.gallery), "name": form.person, "faces": faces})

    async def infer(self, request: Request) -> Response:
        """The embeddings of faces that are cut out already, by the Open Inference Protocol."""
        length = request.headers.get(open_inference.JSON_LENGTH)
        task = partial(open_inference.infer, await request.body(), length)
        done = await self._workers(task)
        if isinstance(done, Died | Late):
            raise ProblemError(
                "The network gave no answer.",
                received=without_result(done).detail,
                advice="Send fewer images at once.",
                status=500,
            )
        text, tail = done
        if not tail:
            return Response(text, media_type="application/json")
        headers = {open_inference.JSON_LENGTH: str(len(text))}
        return Response(text + tail, headers=headers, media_type="application/octet-stream")

    async def live(self, _: Request) -> Response:
        """That the server answers."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """Whether every process has the network."""
        ready = self._workers.ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def model_ready(self, _: Request) -> Response:
        """The same of the model, for it is the only one."""
        ready = self._workers.ready
        return JSONResponse({"name": open_inference.NAME, "ready": ready}, 200 if ready else 503)

    async def _photos(self, request: Request, least: int) -> Sequence[Photo]:
        return (await read_form(request, self._settings.max_bytes, photos=least)).photos

    async def _see(self, photos: Sequence[Photo], which: Which) -> list[Seen]:
        """The faces of each photo, embedded, or why it gave none."""
        tasks = [self._workers(partial(embed_photo, photo.data, which=which)) for photo in photos]
        done = await asyncio.gather(*tasks)
        return [without_result(each) if isinstance(each, Died | Late) else each for each in done]


def _embedded(photo: str, seen: Seen) -> dict[str, Any]:
    if isinstance(seen, Reject):
        return {**reject_record(photo, seen), "faces": []}
    return {
        "photo": photo,
        "faces": [{"box": each.face.box, "embedding": each.embedding.tolist()} for each in seen],
    }


def pair_threshold(settings: Settings, model: Model) -> ChosenThreshold | UsageError:
    """The threshold of a pair, or why there is none: a network that nobody evaluated can still embed."""
    try:
        return choose_threshold(replace(settings, far=FAR if settings.far is None else settings.far), model)
    except UsageError as error:
        return error


def begin(settings: Settings) -> Model:
    """Opens the network, and says on stderr what is to be known of it and of the gallery.

    Raises:
        UsageError: the network or the gallery cannot be used, or they do not belong together.
        FacenetError: one of them is damaged.
    """
    model = open_model(settings)
    if settings.gallery.exists():  # enrolling begins one
        with open_gallery(settings.gallery, model.network) as gallery:
            gallery.say_detectors()
    if isinstance(missing := pair_threshold(settings, model), UsageError):
        print(f"verify and identify will answer with an error. {missing}", file=sys.stderr)
    return model


def app(settings: Settings, model: Model, token: str | None) -> ASGIApp:
    """The server's application.

    Args:
        settings: the flags.
        model: the network, opened by them.
        token: that requests must carry; None for none.
    """
    number = settings.workers or cores()
    answers, metrics = Answers(settings, model, Workers(settings, model, number, settings.seconds)), Metrics()
    html, policy = page()
    described = document(model.network)
    constants = {
        "/openapi.json": described,
        "/v2": open_inference.SERVER,
        f"/v2/models/{open_inference.NAME}": open_inference.metadata(model.network),
    }

    async def shown(_: Request) -> Response:
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    async def constant(request: Request) -> Response:
        return JSONResponse(constants[request.url.path])

    async def measured(_: Request) -> Response:
        return Response(metrics.text(), media_type=MEDIA_TYPE)

    gets = {
        "/": shown,
        "/metrics": measured,
        "/v2/health/live": answers.live,
        "/v2/health/ready": answers.ready,
        f"/v2/models/{open_inference.NAME}/ready": answers.model_ready,
        **dict.fromkeys(constants, constant),
    }
    posts = {
        "/verify": answers.verify,
        "/identify": answers.identify,
        "/enroll": answers.enroll,
        "/forget": answers.forget,
        "/embed": answers.embed,
        f"/v2/models/{open_inference.NAME}/infer": answers.infer,
    }
    site = Starlette(
        routes=[Route(path, answer) for path, answer in gets.items()]
        + [Route(path, answer, methods=["POST"]) for path, answer in posts.items()],
        exception_handlers={
            FacenetError: _refused,
            HTTPException: _unknown,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    site.router.redirect_slashes = False
    limits = Limits(token, Rate(settings.rate), settings.max_bytes, settings.seconds, number * _AT_ONCE)
    return Guard(site, limits, metrics, gets.keys() | posts.keys())


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, FacenetError)
    return problem.answer(error)


def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headline = "This address takes other methods." if error.status_code == 405 else "There is no such address."
    received, advice = f"{request.method} {request.url.path}", "/openapi.json lists the addresses."
    refusal = ProblemError(
        headline, received=received, advice=advice, status=error.status_code, headers=error.headers or {}
    )
    return problem.answer(refusal)


def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def _failed(_: Request, __: Exception) -> Response:
    headline = "Something went wrong that should not have, by a fault of the server."
    return problem.answer(ProblemError(headline, advice="What happened is printed where it runs.", status=500))
