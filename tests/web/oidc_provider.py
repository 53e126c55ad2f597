"""An OpenID Connect provider on loopback, by Authlib's server: stricter than it comes (PKCE), and able to lie."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flask
import oidc_provider_mock
import requests
import werkzeug.serving
from joserfc import jwt
from joserfc.jwk import RSAKey

CALLBACK = "http://testserver/login/sso/callback/"
Claims = dict[str, Any]


class Provider:
    """One provider with one registered client. ``forge`` changes the claims of ID tokens before they are signed."""

    def __init__(self) -> None:
        self.forge: Callable[[Claims], Claims] = lambda claims: claims
        self.key: RSAKey | None = None  # to sign with instead of the published one
        self.algorithm = "RS256"
        self.asked: list[dict[str, str]] = []  # parameters of the authorisation requests
        self.ended: list[dict[str, str]] = []  # of the log-outs
        self.refusals = 0
        self._challenges: dict[str, str] = {}  # code -> challenge
        self.app = oidc_provider_mock.app(require_client_registration=True, require_nonce=True)
        self.app.before_request(self._before)
        self.app.after_request(self._after)

    def serve(self) -> Callable[[], None]:
        """Start; returns what stops it."""
        server = werkzeug.serving.make_server("127.0.0.1", 0, self.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.issuer = f"http://127.0.0.1:{server.server_port}"
        made = requests.post(f"{self.issuer}/oauth2/clients", json={"redirect_uris": [CALLBACK]}, timeout=10).json()
        self.client_id, self.client_secret = made["client_id"], made["client_secret"]

        def stop() -> None:
            server.shutdown()
            thread.join(5)
            server.server_close()

        return stop

    def person(self, subject: str, **claims: Any) -> None:
        """Whom it knows, and what it says of them."""
        requests.put(f"{self.issuer}/users/{subject}", json=claims, timeout=10).raise_for_status()

    def sign_in(self, address: str, subject: str) -> str:
        """As a browser at the address that we sent it to; where it is sent back."""
        answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def _before(self) -> Any:
        if flask.request.path == "/oauth2/authorize":
            self.asked.append(dict(flask.request.args))
        if flask.request.path == "/oauth2/end_session":
            self.ended.append(dict(flask.request.values))
        if flask.request.path == "/oauth2/token":
            verifier = flask.request.form.get("code_verifier", "")
            digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
            if digest != self._challenges.pop(flask.request.form.get("code", ""), None):
                self.refusals += 1
                return flask.jsonify({"error": "invalid_grant"}), 400
        return None

    def _after(self, answer: flask.Response) -> flask.Response:
        if flask.request.path == "/oauth2/authorize" and "code=" in answer.headers.get("Location", ""):
            code = answer.headers["Location"].split("code=")[1].split("&")[0]
            if flask.request.args.get("code_challenge_method") == "S256":
                self._challenges[code] = flask.request.args["code_challenge"]
        if flask.request.path == "/oauth2/token" and answer.status_code == 200:
            told = json.loads(answer.get_data())
            told["id_token"] = self._signed(told["id_token"])
            answer.set_data(json.dumps(told))
        return answer

    def _signed(self, token: str) -> str:
        held = flask.g.oidc_provider_mock_storage.jwk
        published = RSAKey.import_key(held.as_dict(is_private=True))
        claims = jwt.decode(token, published).claims
        header = {"alg": self.algorithm, "kid": held.as_dict().get("kid") or held.thumbprint()}
        return jwt.encode(header, self.forge(dict(claims)), self.key or published)


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider that answers."""
    provider = Provider()
    stop = provider.serve()
    try:
        yield provider
    finally:
        stop()
