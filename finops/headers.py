"""Headers that every answer carries beside those of Django and the content security policy."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# No page of ours asks for any of these; an attacker's script, were there one, could not either.
_NOT_USED = (
    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation",
    "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get",
    "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
HEADERS = {
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _NOT_USED),
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}


class HeadersMiddleware:
    """Around all that answers, static files and errors too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the headers."""
        response = self._get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        return response
