"""Which addresses targets may have, so that a name in a file of targets reaches no host that is nobody's target."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from stream.core.errors import SettingsError

_METADATA = tuple(
    ip_network(text)
    for text in (
        *("100.100.100.200", "192.0.0.192", "168.63.129.16"),  # Alibaba, Oracle and Azure; others are link-local
        *("fd00:ec2::/32", "fd20:ce::254", "fd00:c1::a9fe:a9fe"),  # AWS, Google and Oracle
    )
)
_NAT64 = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48")))  # RFC 6052 and RFC 8215
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressRules:
    """Which addresses targets may have: public ones, and those of `allow`, but never link-local or metadata ones.

    Args:
        allow: networks such as 10.0.0.0/8.

    Raises:
        SettingsError: one of them is no network.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow: list[Network] = []
        for text in allow:
            try:
                self._allow.append(ip_network(text))
            except ValueError as error:
                raise SettingsError(f"allow has {text!r}, which is no network: {error}", 'write "10.0.0.0/8"') from None

    @staticmethod
    def never(text: str) -> bool:
        """Whether an address is never talked to, whatever `allow` names.

        >>> AddressRules.never("169.254.169.254"), AddressRules.never("127.0.0.1")
        (True, False)
        """
        return _never(_inner(ip_address(text.partition("%")[0]))) is not None

    def objection(self, text: str) -> str | None:
        """Why an address may not be talked to; None where it may.

        >>> rules = AddressRules(["10.0.0.0/8"])
        >>> [rules.objection(one) for one in ("93.184.215.14", "10.1.2.3", "::ffff:169.254.169.254")]
        [None, None, 'a link-local address']
        >>> rules.objection("192.168.0.1")
        'a private address that allow does not name'
        """
        address = _inner(ip_address(text.partition("%")[0]))
        never = _never(address)
        if never is not None:
            return never
        if any(address in network for network in self._allow if network.version == address.version):
            return None
        if address.is_loopback:
            return "a loopback address that allow does not name"
        if address.is_global and not (isinstance(address, IPv6Address) and address.is_site_local):
            return None
        return "a private address that allow does not name"


def _never(address: Address) -> str | None:
    if address.is_link_local:
        return "a link-local address"
    if any(address in network for network in _METADATA):
        return "an address of cloud metadata"
    return "an address of no host" if address.is_multicast or address.is_unspecified else None


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it stands for one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    is_translated = any(address in network for network in _NAT64)
    return IPv4Address(int(address) & 0xFFFF_FFFF) if is_translated else address
