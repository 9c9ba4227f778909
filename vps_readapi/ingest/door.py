"""Who may push: by a key before anything of the body is read, then by the body's signature."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from db.sync import API_KEY_FIELD
from db.webhooks import WebhookError, check_stamps, verify_webhook
from vps_readapi.ingest.refusals import Reason, RefusalError


@dataclass(frozen=True)
class Door:
    """Lets senders in. Raise RefusalError for all others."""

    api_keys: Sequence[bytes]
    secrets: Sequence[bytes]
    sgp_keys: Sequence[bytes] = ()
    """Good for what is not signed, from the addresses alone."""
    sgp_addresses: Sequence[IPv4Network | IPv6Network] = ()

    def admit(self, fields: Mapping[str, str], host: str, *, unsigned: bool = False) -> bool:
        """Look at a request's fields, their names in lower case; tell whether it must be signed.

        unsigned: this address takes what today's SGP sends.
        """
        given = fields.get(API_KEY_FIELD, "").encode("latin-1", "replace")
        if unsigned and _is_one_of(given, self.sgp_keys):
            if not self._is_near(host):
                raise RefusalError(Reason.ADDRESS)
            return False
        if not _is_one_of(given, self.api_keys):
            raise RefusalError(Reason.API_KEY)
        try:
            check_stamps(fields)
        except WebhookError as error:
            raise RefusalError(Reason(error.reason)) from None
        return True

    def believe(self, fields: Mapping[str, str], body: bytes) -> str:
        """Return the id of a request whose body is signed."""
        try:
            return verify_webhook(self.secrets, fields, body)
        except WebhookError as error:
            raise RefusalError(Reason(error.reason)) from None

    def _is_near(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.sgp_addresses)


def _is_one_of(given: bytes, keys: Sequence[bytes]) -> bool:
    """Compare with all of them, each in the same time."""
    return sum(hmac.compare_digest(given, key) for key in keys) > 0
