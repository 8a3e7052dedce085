"""Opens the connections to a vendor: whose certificates are believed, and when a proxy is used."""

import ssl
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

import httpx2

from mission_control.integrations.errors import IntegrationMisconfiguredError


def open_http(
    base_url: str, *, vendor: str, setting: str, headers: Mapping[str, str]
) -> httpx2.AsyncClient:
    """Connections to one vendor. `setting` is the name of the one that holds `base_url`.

    Raises:
        IntegrationMisconfiguredError: The base URL is not a URL.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        raise IntegrationMisconfiguredError(
            f"{setting} is not a URL. Correct or remove it.", vendor=vendor
        ) from None
    # A proxy of the environment cannot know our own stand-in.
    is_elsewhere = not is_loopback(url.host)
    return httpx2.AsyncClient(
        base_url=url,
        headers=dict(headers),
        timeout=httpx2.Timeout(30.0, connect=5.0, pool=5.0),
        trust_env=is_elsewhere,
        verify=trusted_authorities(trust_env=is_elsewhere),
    )


@lru_cache
def trusted_authorities(*, trust_env: bool) -> ssl.SSLContext:
    """Whose certificates are believed. Reading them takes longer than a request, so it is done once."""
    return httpx2.create_ssl_context(trust_env=trust_env)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
