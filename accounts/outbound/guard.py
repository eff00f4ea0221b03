"""Which machines a webhook may reach: public ones, and what the operator of this installation lists.

Whoever enters an address chooses where this server connects to. It must not become their way into the network it
stands in, so the address itself is judged, not its name.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: (host, port) → the numeric addresses of the name.
Resolve = Callable[[str, int], list[str]]

#: IPv6 that carries an IPv4 address in its last 32 bits: translated (NAT64) and "compatible". A network's own prefix
#: for it (64:ff9b:1::/48) is none of these: where the address lies in it nobody outside can know, so it stays private.
CARRIES_IPV4 = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "::/96"))
#: What an older standard library takes for public: site-local, documentation, and the old 6to4 relays.
#: https://www.iana.org/assignments/iana-ipv6-special-registry (and its sister for IPv4)
NOT_PUBLIC = tuple(ipaddress.ip_network(text) for text in ("fec0::/10", "3fff::/20", "192.88.99.0/24"))
#: Public by number, private by use: the host agent of a cloud.
OF_THE_HOST = frozenset({ipaddress.ip_address("168.63.129.16")})
PORTS = "80, 443 or 1024 and above"
RESOLVE_SECONDS = 5


class Refused(Exception):
    """Nothing may be sent there; ``str()`` is one sentence that says why."""


def check_port(port: int) -> None:
    """Refuse the ports of mail, remote shells and other services that are no web server."""
    if port not in {80, 443} and not 1024 <= port <= 65535:
        raise Refused(f"Port {port} is not for webhooks. Use {PORTS}.")


def is_numeric(host: str) -> bool:
    """Whether ``host`` is an address itself, which can be judged without asking anybody."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check(address: str, called: str) -> Address:
    """``address`` when it may be connected to; ``called`` is the name it was found by."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    for each in _meant(ip):
        never = each.is_multicast or each.is_unspecified
        if never or not (_is_public(each) or _is_listed(each)):
            where = f"{called} is {ip}" if called != str(ip) else f"{ip}"
            raise Refused(
                f"{where}, which is no public address. An operator can allow it by WEBHOOK_ALLOW_PRIVATE."
                if not never
                else f"{where}, which is no machine's address."
            )
    return ip


def addresses(host: str, port: int, resolve: Resolve | None = None) -> list[Address]:
    """Every address of ``host``, each of which may be connected to. One that may not refuses them all."""
    check_port(port)
    try:
        found = (resolve or system_resolve)(host, port)
    except (OSError, UnicodeError):
        raise Refused(f"There is no machine called {host}.") from None
    if not found:
        raise Refused(f"There is no machine called {host}.")
    return [check(address, host) for address in dict.fromkeys(found)]


def system_resolve(host: str, port: int) -> list[str]:
    """What this machine's resolver says; OSError when it knows nothing or says nothing in time."""
    said: list[list[str] | OSError] = []

    def ask() -> None:
        try:
            said.append([str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except OSError as error:
            said.append(error)
        except UnicodeError:
            said.append(OSError(f"{host} is no name"))

    asking = threading.Thread(target=ask, name="resolve", daemon=True)  # a resolver cannot be told to hurry
    asking.start()
    asking.join(RESOLVE_SECONDS)
    answer = said[0] if said else OSError("the resolver does not answer")
    if isinstance(answer, OSError):
        raise answer
    return answer


def _meant(ip: Address) -> Iterator[Address]:
    """``ip``, or the IPv4 address that packets to it would end at."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
        return
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    elif ip.sixtofour is not None:
        yield from (ip, ip.sixtofour)
    elif any(ip in network for network in CARRIES_IPV4) and int(ip) > 1:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    else:
        yield ip


def _is_public(ip: Address) -> bool:
    if any(ip in network for network in NOT_PUBLIC):
        return False
    return ip.is_global and not ip.is_reserved and ip not in OF_THE_HOST


def _is_listed(ip: Address) -> bool:
    return any(ip in network for network in settings.WEBHOOK_ALLOW_PRIVATE if network.version == ip.version)
