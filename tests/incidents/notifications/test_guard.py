"""Which machines a webhook may reach. Whoever enters an address must not reach our own network by it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from accounts.outbound import guard, wire

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "192.0.0.192", "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "168.63.129.16", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b:1::a00:1", "64:ff9b:1:a00:0:100:808:808", "2002:7f00:1::",
    "2002:a00:1::1", "2001::1", "fec0::1", "3fff::1", "192.88.99.1",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(guard.Refused, match=r"no public address|no machine's address"):
        guard.check(address, "hooks.example")


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_reached(address: str) -> None:
    assert str(guard.check(address, "hooks.example"))


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(guard.Refused, match=r"hooks.example is 10\.0\.0\.7"):
        guard.addresses("hooks.example", 443, lambda host, port: ["93.184.215.14", "10.0.0.7"])


def test_an_operator_may_allow_a_network_and_nothing_beside_it(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("10.20.0.0/16"), ip_network("0.0.0.0/0")]
    assert guard.check("10.20.1.1", "hooks.internal")
    for never in ("224.0.0.1", "0.0.0.0", "ff02::1", "::1", "fd00::1"):
        with pytest.raises(guard.Refused):
            guard.check(never, "hooks.internal")
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("10.20.0.0/16")]
    for address in ("10.21.0.1", "127.0.0.1", "::ffff:10.21.0.1"):
        with pytest.raises(guard.Refused):
            guard.check(address, "hooks.internal")
    assert guard.check("::ffff:10.20.0.1", "hooks.internal")


@pytest.mark.parametrize("port", [22, 25, 53, 444, 1023, 65536])
def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(guard.Refused, match="Port"):
        guard.check_port(port)


def test_ports_of_web_servers_are_not() -> None:
    for port in (80, 443, 1024, 8080, 8443, 65535):
        guard.check_port(port)


def nobody(host: str, port: int) -> list[str]:
    raise OSError("unknown")


def nowhere(host: str, port: int) -> list[str]:
    return []


@pytest.mark.parametrize("resolve", [nobody, nowhere])
def test_a_name_that_nobody_knows_is_said_so(resolve: guard.Resolve) -> None:
    with pytest.raises(guard.Refused, match=r"no machine called hooks.example"):
        guard.addresses("hooks.example", 443, resolve)


@pytest.mark.parametrize("trick", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost"])
def test_addresses_written_strangely_are_judged_by_where_they_lead(trick: str) -> None:
    with pytest.raises(guard.Refused):
        guard.addresses(trick, 443)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://hooks.example/", "file:///etc/passwd", "hooks.example", "//hooks.example/", "https://", "http:///x",
        "https://user:pw@hooks.example/", "https://hooks.example/#part", "https://hooks.example:22/",
        "http://[::1/", "gopher://hooks.example:80/", "https://hooks.example:99999/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(address: str) -> None:
    with pytest.raises(guard.Refused):
        wire.target(address)
