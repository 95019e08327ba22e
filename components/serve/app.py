"""The addresses, behind the guard, and what answers them."""

from __future__ import annotations

import sys

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from components.common.cores import cores
from components.common.errors import FacenetError, UsageError
from components.serve import open_inference, problem
from components.serve.answers import Answers, pair_threshold
from components.serve.guard import Guard, Limits
from components.serve.metrics import MEDIA_TYPE, Metrics
from components.serve.openapi import document
from components.serve.page import page
from components.serve.problem import ProblemError
from components.serve.rate import Rate
from components.serve.settings import Settings
from components.serve.workers import Workers
from components.verify.gallery import open_gallery
from components.verify.model import Model, open_model

# Requests for each process that are taken on: the last of more would wait too long.
_AT_ONCE = 8


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
