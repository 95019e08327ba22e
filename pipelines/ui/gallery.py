"""The page of a gallery: who is in it, and their pictures where `enroll --keep-pictures` kept them."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.verify.listing import ORDERS, list_people
from pipelines.ui.pages import Pages, number

_PEOPLE = 20  # a page


class GalleryPages:
    """The page of a gallery.

    Args:
        file: the gallery.
        pages: those of runs.
    """

    def __init__(self, file: Path, pages: Pages) -> None:
        self._file = file
        self._pages = pages

    @property
    def routes(self) -> list[Route]:
        """Its address."""
        return [Route("/gallery", self._gallery)]

    def _gallery(self, request: Request) -> Response:
        search, asked = request.query_params.get("q", ""), request.query_params.get("sort")
        order = next((one for one in ORDERS if one == asked), ORDERS[0])
        offset = number(request, "offset") or 0
        return self._pages.page(
            "gallery.html",
            [("Gallery", "/gallery")],
            file=self._file,
            listing=list_people(self._file, search, order, offset, _PEOPLE),
            orders_known=ORDERS,
            order=order,
            search=search,
            offset=offset,
            rows=_PEOPLE,
            # In the page itself: a picture with an address of its own could outlive the person in it.
            picture=lambda jpeg: f"data:image/jpeg;base64,{b64encode(jpeg).decode()}",
        )
