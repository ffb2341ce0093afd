"""When two addresses are one page's. Pure."""

import hashlib
import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

_FOLLOWS = re.compile(
    r"utm_\w+|at_(campaign|medium|source)\w*|mc_[ce]id|_hs(enc|mi)|(fb|g|dc|gb|ms|yc|tt|tw)clid|igshid|gclsrc|wbraid|gbraid|vero_id|oly_\w+_id|rss"
)
"""Parameters that say where a reader came from and not what is read."""
_SAFE = "/:@!$&'()*+,;=~-._"
_PORTS = {"http": 80, "https": 443}
MOST_CHARACTERS = 2000


def canonical(url: str) -> str:
    """The address in the form in which it is compared. Raises ValueError for what is no web address."""
    refused = ValueError(f"'{url[:80]}' is no web address.")
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise refused from None
    if parts.scheme not in _PORTS or not host or len(url) > MOST_CHARACTERS:
        raise refused
    # http and https of one host are one page; a port that is neither's own tells it from others.
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port not in (None, *_PORTS.values()) else ""
    path = quote(unquote(parts.path), safe=_SAFE).rstrip("/") or "/"
    kept = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _FOLLOWS.fullmatch(name.lower())
    )
    return f"https://{place}{path}{f'?{urlencode(kept)}' if kept else ''}"


def hash_of(url: str) -> bytes:
    """What two addresses of one page have in common. Raises ValueError."""
    return hashlib.sha256(canonical(url).encode()).digest()


def joined(base: str, link: str) -> str | None:
    """Where a link on a page leads; None where that is no web address."""
    try:
        url = urljoin(base, link.strip())
        canonical(url)
    except ValueError:
        return None
    return url if url.isprintable() else None


def same_host(one: str, other: str) -> bool:
    """Whether both are of one host, with or without its www: what a page may say about itself, it may not about others."""
    hosts = [(urlsplit(each).hostname or "").removeprefix("www.") for each in (one, other)]
    return hosts[0] == hosts[1] and urlsplit(one).port == urlsplit(other).port
