"""The answer to an address that asks a page for something that cannot be: a page with status 400 that names the part."""

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render


class WrongParameter(ValueError):
    """A parameter of a page cannot be; ``name`` is its name. Raised by any view, it is answered with ``wrong_page``."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(told)
        self.name = name


def wrong_page(request: HttpRequest, wrong: WrongParameter) -> HttpResponse:
    """The page that says so, with the way to the same page without parameters."""
    return render(request, "400.html", {"wrong": f"{wrong.name}: {wrong}", "address": request.path}, status=400)


def posted(request: HttpRequest) -> QueryDict:
    """What a page's form sent, for views that read it themselves; raises WrongParameter for what no database holds."""
    storable(request.POST)
    return request.POST


def storable(given: QueryDict) -> None:
    """Raise WrongParameter for a text that no database holds."""
    for name, values in given.lists():
        if any("\0" in text for text in values):
            raise WrongParameter(shown(name), "no NUL, which cannot be stored")


def shown(name: str) -> str:
    """A name from outside, as it may be told."""
    return "".join(char if char.isprintable() else "?" for char in name[:60]) or "(nameless)"
