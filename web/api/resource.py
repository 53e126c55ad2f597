"""What every list of the API shares."""

from types import SimpleNamespace
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.views import APIView

from web.api.permissions import WithinTokenScope


class ByAcceptAlone(DefaultContentNegotiation):
    """The header Accept chooses the form of an answer; `?format=` is a parameter like any other that does not exist."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)


class Resource(APIView):
    """Within the scope of the token, JSON alone."""

    permission_classes = [WithinTokenScope]
    content_negotiation_class = ByAcceptAlone
