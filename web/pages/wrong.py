"""The answer to an address that asks a page for something that cannot be: a page with status 400 that names the part."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class WrongParameter(ValueError):
    """A parameter of a page cannot be; ``name`` is its name. Raised by any view, it is answered with ``wrong_page``."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(told)
        self.name = name


def wrong_page(request: HttpRequest, wrong: WrongParameter) -> HttpResponse:
    """The page that says so, with the way to the same page without parameters."""
    return render(request, "400.html", {"wrong": f"{wrong.name}: {wrong}", "address": request.path}, status=400)
