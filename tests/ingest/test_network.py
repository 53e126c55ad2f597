"""Where a connection may lead. Resolver and dialler are seams: nothing but loopback is ever really dialled here."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import override_settings

from ingest.http import HttpClient
from ingest.network import AddressRefused, Guard, check_url, look_up
from ingest.pull import PullFailed
from tests.ingest.loopback import Reply, serving

PUBLIC = "93.184.215.14"
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
EVERYTHING = [ip_network("0.0.0.0/0"), ip_network("::/0")]

NAMES = {
    "public.example": [PUBLIC],
    "loopback.example": ["127.0.0.1"],
    "loopback.example.": ["127.0.0.1"],
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1", "::1"],
    "private.example": ["10.1.2.3"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.example": [PUBLIC, "10.1.2.3"],
    "mixed6.example": [PUBLIC, "::ffff:169.254.169.254"],
}


class Network:
    """Answers names from a table (numbers as the sockets read them) and notes who is dialled."""

    def __init__(self, names: dict[str, list[str]] | None = None) -> None:
        self.names = NAMES if names is None else names
        self.asked, self.dialled = list[str](), list[str]()

    def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host in self.names:
            return self.names[host]
        numeric = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [str(found[4][0]) for found in numeric]

    def guard(self, allowed: Sequence[Any] = (), *, plain: bool) -> Guard:
        return Guard(allowed, plain=plain, resolve=self.resolve, dial=Dial(self.dialled))


class Dial(httpcore.SyncBackend):
    def __init__(self, dialled: list[str]) -> None:
        self.dialled = dialled

    def connect_tcp(self, host: str, port: int, *given: Any, **named: Any) -> httpcore.NetworkStream:
        self.dialled.append(f"{host} {port}")
        if not ip_address(host).is_loopback:
            raise httpcore.ConnectError("not in a test")
        return super().connect_tcp(host, port, *given, **named)


def ask(url: str, network: Network, allowed: Sequence[Any] = ()) -> None:
    guard = network.guard(allowed, plain=url.startswith("http:"))
    with HttpClient(url, {"x-api-key": "key"}, allowed=[], guard=guard, tries=2, sleep=lambda _: None) as http:
        http.get("usage")


@pytest.mark.parametrize(
    "url",
    [
        # loopback, however it is written
        "http://127.0.0.1", "https://127.0.0.1:8443", "http://2130706433", "https://2130706433", "https://0x7f.1",
        "https://0x7f000001", "https://127.1", "https://[::1]", "https://[::ffff:127.0.0.1]", "https://[::127.0.0.1]",
        "https://[64:ff9b::7f00:1]", "https://[2002:7f00:1::]", "https://localhost", "https://localhost.",
        "https://loopback.example", "https://loopback.example.", "https://017700000001",
        # private
        "https://10.0.0.1", "https://172.16.0.1", "https://192.168.1.1", "https://100.64.0.1", "https://[fd12::1]",
        "https://192.0.0.170", "https://198.18.0.1", "https://[64:ff9b:1::a01:203]", "https://private.example",
        # link-local, metadata
        "http://169.254.169.254", "https://169.254.169.254/latest/meta-data", "https://[::ffff:169.254.169.254]",
        "https://[64:ff9b::a9fe:a9fe]", "https://[2002:a9fe:a9fe::]", "https://[fe80::1]", "https://[fd00:ec2::254]",
        "https://100.100.100.200", "https://168.63.129.16", "https://192.0.0.192", "https://metadata.google.internal",
        # this host, multicast, broadcast, reserved
        "https://0.0.0.0", "https://0", "https://[::]", "https://[::ffff:0.0.0.0]", "https://224.0.0.1", "https://[ff02::1]",
        "https://255.255.255.255", "https://240.0.0.1",
        # Teredo: server and client (inverted) are both looked at
        "https://[2001:0:7f00:1:0:0:a247:28f1]", "https://[2001:0:5db8:d70e:0:0:80ff:fffe]",
        # one bad answer among good ones
        "https://mixed.example", "https://mixed6.example",
        # plain HTTP to the world
        "http://public.example", "http://93.184.215.14",
        # not a URL of a provider at all
        "https://user@public.example", "https://user:secret@public.example", "https://public.example\\@127.0.0.1",
        "file:///etc/passwd", "gopher://127.0.0.1:70/_x", "ftp://public.example", "unix:///run/docker.sock", "//public.example",
        "public.example", "", "https://", "https:///usage", "https://public.example?x=1", "https://public.example#x",
        "https://public.example:0", "https://public.example:65536", "https://public.example:1e3", "https://pub lic.example",
        "https://public.example\n127.0.0.1", "https://①②⑦.⓪.⓪.①", "https://%31%32%37.0.0.1", "https://[fe80::1%25lo]",
        "https://[::1", "javascript:alert(1)", "data:text/plain,x", "http+unix://x", "https://0177.0.0.1", "https://1.2.3.4.5",
    ],
)  # fmt: skip
def test_nothing_is_dialled_for_a_forbidden_url(url: str) -> None:
    network = Network()
    with pytest.raises(PullFailed):
        ask(url, network)
    assert network.dialled == []


NEVER = [
    "https://169.254.169.254", "https://[::ffff:169.254.169.254]", "https://[64:ff9b::a9fe:a9fe]", "https://[fe80::1]",
    "https://[fd00:ec2::254]", "https://100.100.100.200", "https://0.0.0.0", "https://[::]", "https://224.0.0.1",
    "https://[ff02::1]", "https://255.255.255.255", "https://metadata.google.internal", "https://[2002:a9fe:a9fe::]",
    "https://[2001:0:5db8:d70e:0:0:5601:5601]",  # Teredo; the client is 169.254.169.254, inverted
]  # fmt: skip


@pytest.mark.parametrize("url", NEVER)
def test_no_setting_opens_metadata_link_local_and_multicast(url: str) -> None:
    network = Network()
    with pytest.raises(AddressRefused, match="never connected to"):
        ask(url, network, EVERYTHING)
    with pytest.raises(AddressRefused, match="never connected to"):
        check_url(url, allowed=EVERYTHING, resolve=network.resolve)
    assert network.dialled == []


def test_a_public_address_is_dialled_by_its_number_and_asked_for_once_per_try() -> None:
    network = Network()
    with pytest.raises(PullFailed, match="cannot be reached"):
        ask("https://public.example/v1", network)
    assert network.dialled == [f"{PUBLIC} 443"] * 2
    assert network.asked == ["public.example"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "loopback.example", "localhost."])
def test_an_allowed_network_is_reached_however_it_is_written(host: str) -> None:
    network = Network(NAMES | {"localhost.": ["127.0.0.1"]})
    with serving() as server:
        ask(f"http://{host}:{server.port}", network, LOOPBACK)
    assert len(server.asked) == 1
    assert len(network.dialled) == 1


def test_the_setting_is_the_default_and_the_message_says_how_to_change_it() -> None:
    with serving() as server:
        with override_settings(ALLOWED_NETWORKS=[]), pytest.raises(AddressRefused) as refused:
            HttpClient(server.url, {}).get("usage")
        assert str(refused.value) == (
            "127.0.0.1 is not a public address: if it is meant, add 127.0.0.1/32 or its network to FINOPS_ALLOWED_NETWORKS"
        )
        assert server.asked == []
        with override_settings(ALLOWED_NETWORKS=["127.0.0.1/32"]):
            check_url(server.url)
            HttpClient(server.url, {}).get("usage")
        assert len(server.asked) == 1
        with (
            override_settings(ALLOWED_NETWORKS=["127.0.0.1/8"]),
            pytest.raises(AddressRefused, match="has host bits set"),
        ):
            check_url(server.url)


def test_a_url_is_checked_when_it_is_saved_too() -> None:
    network = Network()
    check_url("https://public.example/v1", allowed=[], resolve=network.resolve)
    check_url("https://unknown.example", allowed=[], resolve=network.resolve)  # the name may come later
    check_url("http://private.example:9090/", allowed=[ip_network("10.0.0.0/8")], resolve=network.resolve)
    with pytest.raises(
        AddressRefused, match=r"private.example is 10.1.2.3, .* add 10.1.2.3/32 .*FINOPS_ALLOWED_NETWORKS"
    ):
        check_url("https://private.example", allowed=[], resolve=network.resolve)
    with pytest.raises(AddressRefused, match="would send the key in clear"):
        check_url("http://public.example", allowed=LOOPBACK, resolve=network.resolve)
    with pytest.raises(AddressRefused) as refused:
        check_url("https://ann:hunter2@public.example", allowed=[], resolve=network.resolve)
    assert "hunter2" not in str(refused.value)
    assert network.dialled == []


@pytest.mark.parametrize("second", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::ffff:127.0.0.1"])
def test_dns_that_answers_public_first_and_loopback_then_reaches_nobody(second: str) -> None:
    """Saved while it was public; at the first connection too; then its answer changes."""
    answers = iter([[PUBLIC], [PUBLIC], [second]])
    network = Network()
    guard = Guard([], plain=False, resolve=lambda *_: next(answers), dial=Dial(network.dialled))
    check_url("https://turning.example", allowed=[], resolve=lambda *_: next(answers))
    http = HttpClient("https://turning.example", {}, allowed=[], guard=guard, sleep=lambda _: None)
    with http, pytest.raises(AddressRefused):
        http.get("usage")
    assert network.dialled == [f"{PUBLIC} 443"]  # by the number that was checked, and never again


def test_whoever_answers_from_another_address_is_hung_up_on() -> None:
    class Elsewhere(httpcore.NetworkStream):
        closed = False

        def get_extra_info(self, info: str) -> Any:
            return ("10.1.2.3", 443) if info == "server_addr" else None

        def close(self) -> None:
            self.closed = True

    class Bent(httpcore.NetworkBackend):
        def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
            return stream

    stream = Elsewhere()
    guard = Guard([], plain=False, resolve=lambda *_: [PUBLIC], dial=Bent())
    with pytest.raises(AddressRefused, match="another address"):
        guard.connect_tcp("public.example", 443)
    assert stream.closed
    with pytest.raises(AddressRefused):
        guard.connect_unix_socket("/run/docker.sock")


def test_an_address_that_does_not_answer_leaves_the_next() -> None:
    network = Network(NAMES | {"two.example": ["127.0.0.9", "127.0.0.1"]})
    with serving() as server:
        ask(f"http://two.example:{server.port}", network, LOOPBACK)
    assert network.dialled == [f"127.0.0.9 {server.port}", f"127.0.0.1 {server.port}"]


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_our_own_database_and_broker_are_no_provider() -> None:
    database = {"HOST": "127.0.0.1", "PORT": "5433", "NAME": "x", "OPTIONS": {}}
    network = Network(NAMES | {"db.example": ["10.9.9.9"], "broker": ["10.8.8.8"]})
    with override_settings(DATABASES={"default": database}, CELERY_BROKER_URL="redis://:secret@broker:6379/0"):
        for place in ("127.0.0.1:5433", "127.0.0.2:5433", "localhost:5433", "[::1]:5433", "broker:6379"):
            with pytest.raises(AddressRefused, match="own database or broker"):
                ask(f"http://{place}", network, EVERYTHING)
        with pytest.raises(AddressRefused, match="own database or broker"):
            check_url("http://10.8.8.8:6379", allowed=EVERYTHING, resolve=network.resolve)
        check_url("http://10.8.8.8:6380", allowed=EVERYTHING, resolve=network.resolve)
    elsewhere = override_settings(DATABASES={"default": database | {"HOST": "db.example,/run/postgresql", "PORT": ""}})
    with elsewhere, pytest.raises(AddressRefused, match="own database or broker"):
        check_url("http://10.9.9.9:5432", allowed=EVERYTHING, resolve=network.resolve)
    assert network.dialled == []


def test_the_database_that_runs_here_is_refused() -> None:
    from django.conf import settings

    here = settings.DATABASES["default"]
    with pytest.raises(AddressRefused, match="own database or broker"):
        check_url(f"http://{here['HOST']}:{here['PORT']}", allowed=EVERYTHING)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/", "http://public.example/", "//127.0.0.1:{port}/", "http://[::"]
)
def test_a_redirect_dials_nobody_else_and_the_second_server_sees_nothing(status: int, to: str) -> None:
    network = Network()
    with serving() as second, serving(Reply(status, headers={"Location": to.format(port=second.port)})) as first:
        with pytest.raises(PullFailed, match=f"answered {status}: redirects are not followed"):
            ask(first.url, network, LOOPBACK)
        assert network.dialled == [f"127.0.0.1 {first.port}"]
        assert (len(first.asked), second.asked) == (1, [])


def test_the_real_resolver_reads_numbers_as_sockets_do() -> None:
    assert [look_up(host, 80) for host in ("0x7f.1", "2130706433", "127.1", "::1")] == [["127.0.0.1"]] * 3 + [["::1"]]


def test_tls_verifies_the_name_though_the_socket_goes_to_a_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, server_context = _certificates(tmp_path, "meter.example")
    network = Network({"meter.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    create = httpx.create_ssl_context

    def trusting(**given: Any) -> ssl.SSLContext:
        context = create(**given)
        context.load_verify_locations(authority)
        return context

    with _tls_server(server_context) as (port, seen):
        with pytest.raises(PullFailed, match="certificate is not valid"):  # the public authorities do not know ours
            ask(f"https://meter.example:{port}", network, LOOPBACK)
        monkeypatch.setattr(httpx, "create_ssl_context", trusting)
        with pytest.raises(PullFailed, match="certificate is not valid"):
            ask(f"https://other.example:{port}", network, LOOPBACK)
        assert seen == []
        ask(f"https://meter.example:{port}", network, LOOPBACK)
        assert seen == ["/usage"]
    assert len(network.dialled) == 3  # a certificate that is not valid is not tried again


@contextmanager
def _tls_server(context: ssl.SSLContext) -> Iterator[tuple[int, list[str]]]:
    seen = list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:  # a handshake that the client broke off
            return

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port, seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificates(folder: Path, name: str) -> tuple[str, ssl.SSLContext]:
    """An authority of our own, and a server with its certificate for one name."""
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(subject: x509.Name, public: Any, *extensions: tuple[Any, bool]) -> Any:
        builder = x509.CertificateBuilder(
            issuer, subject, public, x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(hours=1)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256())

    identifier = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    ca = certificate(
        issuer, issuer_key.public_key(), (x509.BasicConstraints(ca=True, path_length=0), True), (identifier, False)
    )  # fmt: skip
    leaf = certificate(
        x509.Name([]), key.public_key(), (x509.SubjectAlternativeName([x509.DNSName(name)]), True),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    )  # fmt: skip
    authority, server = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return str(authority), context
