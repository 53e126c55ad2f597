"""Where a connection may lead: the guard between the URLs that people write and the sockets that we open.

A host is resolved once, every answer is checked, the socket goes to a checked address and to no other, and whoever
answers is asked for its address again. So neither DNS that changes its mind nor another spelling of an address gets
past; ``check_url`` says the same earlier, to whoever writes a URL. TLS still verifies the name.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
from django.conf import settings

from ingest.pull import ConnectionFailed

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

SETTING = "FINOPS_ALLOWED_NETWORKS"
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}

# No setting opens these: this host by another name, link-local, multicast, reserved, and metadata of clouds.
_NEVER = [
    ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32", "168.63.129.16/32",
        "192.0.0.192/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128",
    )
]  # fmt: skip
# What ipaddress of some Python calls global and the registries of special addresses do not.
_SPECIAL = [
    ip_network(text)
    for text in (
        "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "100.64.0.0/10", "64:ff9b:1::/48", "100::/64", "2001::/23",
        "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
    )
]  # fmt: skip
_NAT64, _COMPATIBLE = ip_network("64:ff9b::/96"), ip_network("::/96")


class AddressRefused(ConnectionFailed):
    """The URL leads where we do not connect. The message names the setting, where one opens the way."""


class Unresolved(httpcore.ConnectError):
    """The host's name has no address here and now."""


def allowed_networks() -> list[IPNetwork]:
    """FINOPS_ALLOWED_NETWORKS. Raises AddressRefused for one that is none."""
    try:
        return [ip_network(text) for text in settings.ALLOWED_NETWORKS]
    except ValueError as error:
        raise AddressRefused(f"{SETTING}: {error}") from None


def check_url(url: str, *, allowed: Sequence[IPNetwork] | None = None, resolve: Resolve | None = None) -> None:
    """Whether a connection may have this URL. Raises AddressRefused.

    A name that has no address now passes: what counts is the same check when connecting.
    """
    parsed = parse_url(url)
    guard = Guard(allowed_networks() if allowed is None else allowed, plain=parsed.scheme == "http", resolve=resolve)
    try:
        guard.addresses(parsed.raw_host.decode(), port_of(parsed))
    except httpcore.ConnectError:
        return


def parse_url(url: str) -> httpx.URL:
    """The one reading of a connection's URL, without a look at any network. Raises AddressRefused."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError):
        raise AddressRefused("that is no URL") from None
    if parsed.scheme not in {"http", "https"}:
        raise AddressRefused(f"a URL begins with https:// or http://, not {parsed.scheme[:20] or 'nothing'}")
    if parsed.userinfo:
        raise AddressRefused("a URL holds no user or password: store it as a credential")
    if not parsed.host or "@" in parsed.host or "%" in parsed.host:
        raise AddressRefused("the URL names no host")
    if parsed.query or parsed.fragment:
        raise AddressRefused("a connection's URL ends with its path: no ? and no #")
    if not 0 < port_of(parsed) < 65_536:
        raise AddressRefused("the port must be a number from 1 to 65535")
    return parsed


def same_server(one: str, other: str) -> bool:
    """Whether two URLs lead to one scheme, host and port. Raises AddressRefused."""
    first, second = parse_url(one), parse_url(other)
    return (first.scheme, first.host, port_of(first)) == (second.scheme, second.host, port_of(second))


def port_of(url: httpx.URL) -> int:
    """The port, also where the URL leaves it to the scheme."""
    return _PORTS[url.scheme] if url.port is None else url.port


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, each once. It reads 0x7f.1 and 2130706433 as the sockets would."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class Guard(httpcore.NetworkBackend):
    """Opens sockets for one client: to checked addresses only, and none outlives ``deadline``.

    ``plain``: no TLS, so only to allowed networks. ``resolve`` and ``dial`` do the real thing unless a test says else.
    """

    def __init__(
        self,
        allowed: Sequence[IPNetwork],
        *,
        plain: bool,
        resolve: Resolve | None = None,
        dial: httpcore.NetworkBackend | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deadline = float("inf")
        self._allowed = tuple(allowed)
        self._plain = plain
        self._resolve = resolve or look_up
        self._dial = dial or httpcore.SyncBackend()
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, once all are found good. Raises AddressRefused."""
        failed: Exception = Unresolved(f"{host} has no address")
        for address in self.addresses(host, port):
            try:
                stream = self._dial.connect_tcp(str(address), port, self.left(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            peer = stream.get_extra_info("server_addr")
            if peer is None or ip_address(peer[0]) != address:
                stream.close()
                raise AddressRefused(f"{host}: another address answered than the one that was called")
            return _Timed(stream, self)
        raise failed

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """No URL names one."""
        raise AddressRefused("no connection leads to a socket file")

    def addresses(self, host: str, port: int) -> list[IPAddress]:
        """All addresses of a host, each one allowed. Raises AddressRefused; ConnectError when it has none."""
        try:
            found = [_plain(ip_address(text)) for text in self._resolve(host, port)]
        except (OSError, UnicodeError):
            raise Unresolved(f"{host} cannot be resolved") from None
        for address in found:
            for inner in _unwrapped(address):
                self._check(inner, host, port)
        return found

    def left(self, timeout: float | None) -> float:
        """What a single operation may still take. Raises ReadTimeout past the deadline."""
        rest = self.deadline - self._clock()
        if rest <= 0:
            raise httpcore.ReadTimeout("the answer took too long altogether")
        return rest if timeout is None else min(timeout, rest)

    def _check(self, address: IPAddress, host: str, port: int) -> None:
        what = str(address) if host == str(address) else f"{host} is {address}, which"
        opens = f"add {address}/{address.max_prefixlen} or its network to {SETTING}"
        if _within(address, _NEVER):
            raise AddressRefused(f"{what} is link-local, multicast, reserved or a cloud's metadata: never connected to")
        if self._is_own(address, port):
            raise AddressRefused(f"{what} is, on port {port}, this site's own database or broker: never connected to")
        if _within(address, self._allowed):
            return
        if not address.is_global or address.is_multicast or _within(address, _SPECIAL):
            raise AddressRefused(f"{what} is not a public address: if it is meant, {opens}")
        if self._plain:
            raise AddressRefused(f"{what} is public, and http:// would send the key in clear: use https://, or {opens}")

    def _is_own(self, address: IPAddress, port: int) -> bool:
        for host in (host for host, own_port in _own_places() if own_port == port):
            try:
                own = [inner for text in self._resolve(host, port) for inner in _unwrapped(ip_address(text))]
            except (OSError, UnicodeError, ValueError):
                continue
            if address in own or (address.is_loopback and any(one.is_loopback for one in own)):
                return True
        return False


class _Timed(httpcore.NetworkStream):
    """A stream whose every operation ends by the guard's deadline: a byte a second is no way to keep us."""

    def __init__(self, stream: httpcore.NetworkStream, guard: Guard) -> None:
        self._stream, self._guard = stream, guard

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._guard.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._guard.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._guard.left(timeout)), self._guard)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _within(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _plain(address: IPAddress) -> IPAddress:
    """An IPv4 address that is written as IPv6 is IPv4 to the socket too."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _unwrapped(address: IPAddress) -> Sequence[IPAddress]:
    """The address itself, or the IPv4 addresses that an IPv6 address carries to somebody who unpacks it."""
    address = _plain(address)
    if isinstance(address, IPv4Address):
        return [address]
    if address.teredo is not None:
        return address.teredo
    inner = address.sixtofour
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return [address if inner is None else inner]


def _own_places() -> Iterator[tuple[str, int]]:
    """Host and port of our own database, and of the broker where it is a server of its own."""
    database: dict[str, Any] = settings.DATABASES["default"]
    hosts = f"{database.get('HOST') or ''},{database['OPTIONS'].get('hostaddr', '')}".split(",")
    ports = {int(port) for port in str(database.get("PORT") or "").split(",") if port} or {5432}
    yield from ((host, port) for host in hosts if host and not host.startswith("/") for port in ports)
    broker = urlsplit(settings.CELERY_BROKER_URL)
    with contextlib.suppress(ValueError):  # several brokers in one setting are none that urlsplit can read
        if broker.hostname:
            yield broker.hostname, broker.port or _PORTS.get(broker.scheme, 0)
