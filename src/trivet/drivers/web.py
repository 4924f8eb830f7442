"""Fetching what a tenant named by URL, without becoming the tenant's way into our own network.

Every address is looked at just before it is connected to, redirects included: only public ones pass, and
those that the operator lists (the setting web_allow: addresses, networks or host names, with commas between).
The name is resolved once and the connection goes to the address that was looked at, so a name that
changes its mind gains nothing. Who answers too slowly is hung up on (`Pace`): a byte now and then would keep a place
for ever. All waiting is done in threads that nothing else needs.
"""

import asyncio
import contextlib
import http.client
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from trivet.drivers.contracts.errors import DriverError

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_HANDSHAKE_S = 10.0
_REDIRECTS_MAX = 5
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_AT_ONCE = 64
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="web")

T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Pace(NamedTuple):
    """The least that a server must do to be listened to."""

    answer_s: float = 60.0
    """Seconds from the first byte to the end of an answer's headers, for each redirect anew."""
    bytes_s: int = 64 << 10
    """Measured over the time that it was waited for, not the time that its bytes took us."""
    over_s: float = 30.0


_PACE = Pace()


class Allowed:
    """What may be reached besides the public internet."""

    def __init__(self, entries: str = "") -> None:
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._hosts: set[str] = set()
        for entry in filter(None, (part.strip() for part in entries.split(","))):
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(entry.lower())

    def listed(self, host: str, address: Address) -> bool:
        return host.lower() in self._hosts or any(address in network for network in self._networks)

    def allows(self, host: str, address: Address) -> bool:
        return is_public(address) or self.listed(host, address)


def is_public(address: Address) -> bool:
    """Whether an address is public. Of an address that wraps another one, the inner one counts."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


class _Wire:
    """The connection that a thread talks over, so that others can cut it."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.threads = threads
        self._socket: socket.socket | None = None
        self._cut = False

    def is_now(self, connected: socket.socket) -> None:
        self._socket = connected
        if self._cut:
            self.cut()

    def cut(self) -> None:
        """Wakes the thread that is still reading: to close the socket under it would make the event loop wait for
        it."""
        self._cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


async def _in_thread(wire: _Wire, act: Callable[[], T], within_s: float) -> T:
    """TimeoutError if it takes longer. Nothing is left waiting."""
    try:
        async with asyncio.timeout(max(within_s, 0.0)):
            return await asyncio.get_running_loop().run_in_executor(wire.threads, act)
    except (asyncio.CancelledError, TimeoutError):
        wire.cut()
        raise


class Answer:
    """Status, headers (lower-case names) and a body to be read in chunks."""

    def __init__(
        self, wire: _Wire, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, pace: Pace
    ) -> None:
        self.status = response.status
        self._wire = wire
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._connection = connection
        self._response = response
        self._pace = pace

    async def chunks(self) -> AsyncIterator[bytes]:
        waited, came = 0.0, 0
        clock = asyncio.get_running_loop().time
        try:
            while True:
                begun = clock()
                chunk = await self._chunk(self._pace.over_s - waited)
                if not chunk:
                    break
                waited, came = waited + clock() - begun, came + len(chunk)
                yield chunk
                if waited >= self._pace.over_s / 2:
                    if came < waited * self._pace.bytes_s:
                        raise self._too_slow()
                    waited, came = 0.0, 0
            if self._response.length:
                raise DriverError("The download broke off before its end.", again=True)
        finally:
            self.close()

    async def _chunk(self, within_s: float) -> bytes:
        # As much as has come, and not all of it: a server may take an hour for a megabyte.
        try:
            return await _in_thread(self._wire, lambda: self._response.read1(_CHUNK), within_s)
        except TimeoutError:
            raise self._too_slow() from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DriverError(f"The download broke off: {error}.", again=True) from error

    def _too_slow(self) -> DriverError:
        least = self._pace.bytes_s >> 10
        return DriverError(f"The server is too slow: a download has {least} KiB in each second at least.", again=False)

    async def text(self, max_bytes: int) -> bytes:
        found = b""
        async for chunk in self.chunks():
            found += chunk
            if len(found) > max_bytes:
                raise DriverError(f"The answer is longer than {max_bytes} bytes.", again=False)
        return found

    def close(self) -> None:
        self._wire.cut()
        self._response.close()
        self._connection.close()


class Web:
    """`threads`: for who is to wait for nobody else, and keep nobody else waiting. To find a name takes a thread for as
    long as its server likes, whoever has given up on it."""

    def __init__(self, allowed: Allowed, pace: Pace = _PACE, threads: ThreadPoolExecutor = _threads) -> None:
        self._allowed = allowed
        self._pace = pace
        self._threads = threads

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when it is needed first: to read the machine's certificates takes long, and a start need not wait."""
        return ssl.create_default_context()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Follows redirects; what was meant for one host (Authorization) is not told to another."""
        told = dict(headers or {})
        for _ in range(_REDIRECTS_MAX):
            answer = await self._answer(url, told)
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or target is None:
                return answer
            answer.close()
            next_url = _joined(url, target)
            if urlsplit(next_url).netloc != urlsplit(url).netloc:
                told = {name: value for name, value in told.items() if name.lower() != "authorization"}
            url = next_url
        raise DriverError(f"The server redirects more than {_REDIRECTS_MAX} times.", again=False)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Follows nothing: what is told is told to whom it was meant for."""
        return await self._answer(url, dict(headers), body)

    async def _answer(self, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        wire = _Wire(self._threads)
        try:
            return await _in_thread(wire, lambda: self._asked(url, headers, body, wire), self._pace.answer_s)
        except TimeoutError:
            raise DriverError("The server did not answer in time.", again=False) from None

    async def speaks_plainly(self, host: str, port: int) -> bool:
        """Whether a host is the operator's own, so that plain HTTP with it is no surprise."""
        found = await _in_thread(_Wire(self._threads), lambda: _resolved(host, port), self._pace.answer_s)
        return all(self._allowed.listed(host, address) for address, _ in found)

    def _asked(self, url: str, headers: dict[str, str], body: bytes | None, wire: _Wire) -> Answer:
        secure, host, port, path = _parsed(url)
        said = {"user-agent": "trivet", "accept-encoding": "identity", **headers}
        connection: http.client.HTTPConnection | None = None
        try:
            connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
            connection.sock = self._connected(host, port, wire)
            if secure:
                connection.sock = self._secured(connection.sock, host)
                wire.is_now(connection.sock)
            connection.request("GET" if body is None else "POST", path, body, said)
            return Answer(wire, connection, connection.getresponse(), self._pace)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection is not None:
                connection.close()
            raise DriverError(f"{host}:{port} cannot be reached: {error}.", again=True) from error
        except DriverError:
            if connection is not None:
                connection.close()
            raise

    def _secured(self, tcp: socket.socket, host: str) -> socket.socket:
        tcp.settimeout(_HANDSHAKE_S)
        try:
            tls = self._tls.wrap_socket(tcp, server_hostname=host)
        except OSError as error:
            raise TlsError(f"{host} does not speak TLS as it should: {error}.", again=False) from error
        tls.settimeout(_TIMEOUT_S)
        return tls

    def _connected(self, host: str, port: int, wire: _Wire) -> socket.socket:
        refused: OSError | None = None
        for address, family in _resolved(host, port):
            if not self._allowed.allows(host, address):
                raise DriverError(
                    f"The address {address} of {host} is not public, and the operator has not allowed it.", again=False
                )
            tcp = socket.socket(family, socket.SOCK_STREAM)
            tcp.settimeout(_TIMEOUT_S)
            wire.is_now(tcp)
            try:
                tcp.connect((str(address), port))
            except OSError as error:
                tcp.close()
                refused = error
                continue
            return tcp
        raise refused or OSError("no address")


def _joined(url: str, target: str) -> str:
    try:
        joined = urljoin(url, target)
        urlsplit(joined)
    except ValueError as error:
        raise DriverError(f"The server sends us to {target[:200]!r}, which is no address.", again=False) from error
    return joined


def _parsed(url: str) -> tuple[bool, str, int, str]:
    """Whether by TLS, the host, the port and the path. What a stranger says, or a server sends us to, may be no URL."""
    try:
        parts = urlsplit(url)
        secure, host = parts.scheme == "https", parts.hostname or ""
        port = parts.port or (443 if secure else 80)
    except ValueError as error:
        raise DriverError(f"{url[:200]!r} is no address: {error}.", again=False) from error
    if parts.scheme not in ("http", "https") or not host:
        raise DriverError(f"The server sends us to {url[:200]!r}, which is neither http nor https.", again=False)
    return secure, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class TlsError(DriverError):
    """There is somebody, but no TLS."""


def _resolved(host: str, port: int) -> list[tuple[Address, socket.AddressFamily]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DriverError(f"The host {host} cannot be found: {error}.", again=True) from error
    return [(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]), entry[0]) for entry in found]
