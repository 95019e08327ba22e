"""The addresses of the pages, behind the guard."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from components import page
from components.common.errors import FacenetError
from pipelines.ui.gallery import GalleryPages
from pipelines.ui.guard import Guard
from pipelines.ui.ordering import Ordering
from pipelines.ui.orders import Orders
from pipelines.ui.pages import Pages
from pipelines.ui.search_pages import SearchPages

_OWN = Path(__file__).parent / "static"
_STATIC = {
    "style.css": Path(page.__file__).parent / "style.css",
    **{name: _OWN / name for name in ("ui.css", "ui.js", "icon.svg")},
}


def app(runs: Path, orders: Orders | None = None, gallery: Path | None = None) -> ASGIApp:
    """The pages of a runs folder.

    Args:
        runs: the folder, resolved.
        orders: what starts and stops runs; None where the pages only show them.
        gallery: a gallery's file; None for none.
    """
    there = {"orders": orders is not None, "gallery": gallery is not None}
    pages, tuned = Pages(runs, **there), SearchPages(runs, **there)
    task = "/runs/{run}/{task}"
    artifact = task + "/{artifact}"
    site = Starlette(
        routes=[
            Route("/", pages.runs),
            Route("/compare", pages.compare),
            Route("/searches", tuned.searches),
            Route("/searches/{search}", tuned.search),
            Route("/static/{name}", _static),
            Route("/runs/{run}", pages.run),
            Route(task, pages.task),
            Route(f"/log{task}", pages.log),
            Route(artifact, pages.artifact),
            Route(f"{artifact}/{{inside:path}}", pages.artifact),
            Route(f"/files{artifact}", pages.file),
            Route(f"/files{artifact}/{{inside:path}}", pages.file),
            Route(f"/card{artifact}", pages.card),
            Route(f"/card{artifact}/{{inside:path}}", pages.card),
            Route(f"/picture{artifact}", pages.picture),
            Route(f"/picture{artifact}/{{inside:path}}", pages.picture),
            *(Ordering(runs, pages, orders).routes if orders else ()),
            *(GalleryPages(gallery, pages).routes if gallery else ()),
        ],
        exception_handlers={FacenetError: pages.trouble, HTTPException: pages.trouble, Exception: pages.trouble},
    )
    return Guard(site, forms=orders is not None)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    return FileResponse(_STATIC[name])
