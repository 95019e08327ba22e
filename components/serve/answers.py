"""What answers requests: the code of `components.verify`, on photos in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.common.errors import UsageError
from components.extract.photo import Which
from components.extract.photos import without_result
from components.extract.reasons import Reject
from components.extract.workers import Died, Late
from components.serve import open_inference, problem
from components.serve.form import Photo, read_form
from components.serve.known import Known
from components.serve.problem import ProblemError
from components.serve.settings import Settings
from components.serve.workers import Threads, Workers
from components.verify import enroll
from components.verify.answer import about, of_photo
from components.verify.enroll import Found
from components.verify.faces import embed_photo, no_face_error, reject_record
from components.verify.gallery import Enrollment
from components.verify.model import Model
from components.verify.settings import FAR
from components.verify.threshold import ChosenThreshold, choose_threshold
from components.verify.verify import verdicts


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
        known = Known(settings, model)
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
        how = {"model": self._model.to_json(), "threshold": self._threshold.to_json()}
        return JSONResponse({**how, "pairs": pairs})

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
            return JSONResponse(await self._gallery(partial(Known.forget, name=form.person)))
        except UsageError as error:
            raise problem.as_problem(error, 404) from error

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

    async def _see(self, photos: Sequence[Photo], which: Which) -> list[Found]:
        """The faces of each photo, embedded, or why it gave none."""
        tasks = [self._workers(partial(embed_photo, photo.data, which=which)) for photo in photos]
        done = await asyncio.gather(*tasks)
        return [without_result(each) if isinstance(each, Died | Late) else each for each in done]


def _embedded(photo: str, seen: Found) -> dict[str, Any]:
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
