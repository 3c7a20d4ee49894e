"""Where the server is reached: its base path, its names, the sites that may speak to it and those that may frame it.

The gate, the routes and the live connection all ask here. Streamlit's own options decide (`server.baseUrlPath`,
`server.address`, `server.allowedHosts`, `server.corsAllowedOrigins`, `browser.serverAddress`, `browser.serverPort`),
and `ELBO_ROOM_FRAME_ANCESTORS` for frames, for which Streamlit has none.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import posixpath
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from streamlit import config, net_util

from vae.errors import ConfigError

LOCAL = ("localhost", "127.0.0.1", "::1")
FORWARDING = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip")
PASSED_ON = ("x-forwarded-", *FORWARDING)
HERE = "x-elbo-room-here"  # put by the gate onto requests from this machine; a visitor's own is taken off
FRAMES = "ELBO_ROOM_FRAME_ANCESTORS"
_ENDS = re.compile(r"\](?!:\d*$|$)|[^\[]+\[")  # what stands behind or before an address in brackets
_SITE = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?", re.IGNORECASE)


def base_path() -> str:
    """Returns what stands before every path of this server, `/elbo` or `/a/b`; "" at the root."""
    path = config.get_option("server.baseUrlPath").strip("/")
    return f"/{path}" if path else ""


def refusal(headers: Mapping[str, str]) -> str:
    """Returns why a request with these headers is refused, in a sentence that names the setting; "" lets it pass."""
    host = headers.get("host", "")
    name = hostname(host)
    if not host_allowed(name):
        more = f"if it should be, add {name[:80] or 'it'} to server.allowedHosts."
        return f"Host {host[:80]!r} is not one of this server's names; {more}"
    origin = headers.get("origin", "")
    if origin not in ("", "null") and _site(origin) is None:
        return f"Origin {origin[:80]!r} is not the address of a site."
    if not origin_allowed(headers):
        return (
            f"Origin {origin[:80]!r} is another site; open the app in its own tab, or, if a proxy of yours shows it "
            "there, add that site to server.corsAllowedOrigins."
        )
    return _rewritten(headers)


def _rewritten(headers: Mapping[str, str]) -> str:
    """The same for a page that a proxy fetches under another Host than its visitors see, where the proxy says so: its
    websockets, which carry an Origin, would be refused, and the page would wait for them for ever."""
    shown = hostname(headers.get("x-forwarded-host", "").partition(",")[0].strip())
    known = {hostname(headers.get("host", "")), *(hostname(site.partition("://")[2]) for site in own_origins())}
    if not shown or shown in known:
        return ""
    return (
        f"A proxy shows this app at {shown[:80]!r} and hides that name from it; add its address, such as "
        f"https://{shown[:80]}, to server.corsAllowedOrigins, or let the proxy keep the Host header."
    )


def origin_allowed(headers: Mapping[str, str]) -> bool:
    """Returns whether the page that asks came from here, or from a site of `own_origins`.

    Programs other than browsers send no Origin.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    parts = _site(origin)
    if parts is None:
        return False
    return parts.netloc.lower() == headers.get("host", "").lower() != "" or _plain(origin) in own_origins()


def own_origins() -> set[str]:
    """Returns the sites at which visitors see this app although the server is called otherwise:
    `server.corsAllowedOrigins`, and `browser.serverAddress` where it is set."""
    named = {_plain(site) for site in config.get_option("server.corsAllowedOrigins")}
    if config.is_manually_set("browser.serverAddress") and (name := _browser_name()):
        place = f"[{name}]" if ":" in name else name
        port = config.get_option("browser.serverPort")
        named |= {f"{scheme}://{place}{end}" for scheme in ("http", "https") for end in ("", f":{port}")}
    return named


def host_allowed(name: str) -> bool:
    """Names of this machine, the configured addresses, and `server.allowedHosts` (`*.example.org`, `*`).

    Open to the network without such a list, the server answers to every address: unlike a name, an address cannot be
    rebound. With a list it does not, because Streamlit's own websocket then refuses what is not in it.
    """
    address = (config.get_option("server.address") or "").lower()
    if name in LOCAL or (name and name in (address, _browser_name())):
        return True
    patterns = [pattern.strip().lower().rstrip(".") for pattern in config.get_option("server.allowedHosts")]
    if not patterns:
        return address not in LOCAL and _is_ip(name)
    return bool(name) and any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


def from_this_machine(client: str, headers: Mapping[str, str]) -> bool:
    """Returns whether a request comes from a program on the server's own machine; `client`: the peer's address by TCP.

    Headers can only take this away, never give it. A proxy on this machine has a local address too: what it passes on
    shows in its headers or in the Host, and where the settings tell of a proxy nothing is taken for local, because it
    may pass on a Host that its visitor made up.
    """
    if not _is_loopback(client) or hostname(headers.get("host", "")) not in LOCAL:
        return False
    passed_on = any(name.lower().startswith(PASSED_ON) for name in headers)
    return not passed_on and not behind_a_proxy()


def behind_a_proxy() -> bool:
    """Returns whether the settings name a site that is not this machine: others may come through a proxy that runs
    here."""
    sites = (hostname(site.partition("://")[2]) for site in own_origins())
    return any(name not in LOCAL for name in (*config.get_option("server.allowedHosts"), *sites))


def origin_for_others(url: str) -> str | None:
    """Returns where others reach what this visitor sees at `url`: "" there too; another origin where the visitor
    sits at the server itself; None where nobody else reaches it."""
    parts = _split(url)
    if parts is None or (parts.hostname or "") not in LOCAL:
        return ""
    if (config.get_option("server.address") or "") in LOCAL:
        return None
    listed = [name for name in config.get_option("server.allowedHosts") if "*" not in name]
    for name in (_browser_name(), *listed, net_util.get_internal_ip() or ""):
        if name not in ("", *LOCAL) and host_allowed(name):
            place = f"[{name}]" if ":" in name else name
            return f"{parts.scheme}://{place}" + (f":{parts.port}" if parts.port else "")
    return None


def configure_streamlit() -> None:
    """Gives Streamlit's websocket the names that are let in besides those of `server.allowedHosts`, where there is
    such a list: otherwise a page would load at http://localhost and never connect."""
    if listed := config.get_option("server.allowedHosts"):
        address = (config.get_option("server.address") or "").lower()
        more = [name for name in (*LOCAL, address, _browser_name()) if name and name not in listed]
        config.set_option("server.allowedHosts", [*listed, *more])


def frame_ancestors() -> tuple[str, ...]:
    """Returns the sites whose pages may show the app in a frame, from `ELBO_ROOM_FRAME_ANCESTORS`, if it is set.

    Raises ConfigError where one of them is not `https://name`, `https://*.name` or the same with a port.
    """
    sites = tuple(os.environ.get(FRAMES, "").replace(",", " ").split())
    for site in sites:
        if not _SITE.fullmatch(site):
            raise ConfigError(
                f"{FRAMES}: expected sites such as https://course.example.org or https://*.example.org, with a blank "
                f"between them and without a path, got {site[:80]!r}"
            )
    return sites


def relative_location(path: str, location: str, host: str) -> str:
    """Returns a redirect's target as seen from `path`, where it lies on this server: a proxy may show both
    elsewhere."""
    parts = _split(location)
    if parts is None or (parts.netloc and parts.netloc.lower() != host.lower()) or not parts.path.startswith("/"):
        return location
    parent, _, leaf = parts.path.rpartition("/")
    way = posixpath.relpath(parent or "/", path.rpartition("/")[0] or "/")
    return f"./{way}/{leaf}" + (f"?{parts.query}" if parts.query else "")


@functools.lru_cache(64)  # asked several times for every request
def hostname(host: str) -> str:
    """Returns the name in a Host header, lower case, without its port; "" where it is none."""
    parts = _split(f"//{host}")
    if parts is None:
        return ""
    plain = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    plain = plain and parts.netloc == host and _ENDS.search(host) is None  # "[::1]x" and "[::1]?" would be ::1
    return (parts.hostname or "").lower().rstrip(".") if plain else ""


def _browser_name() -> str:
    parts = _split(f"//{config.get_option('browser.serverAddress').rpartition('//')[2]}")  # may hold a path
    return (parts.hostname or "").lower() if parts else ""


def _split(address: str) -> SplitResult | None:
    """The address in its parts; None where it cannot be read as one."""
    if any(sign <= " " for sign in address):  # which urlsplit passes over
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    return parts


def _site(origin: str) -> SplitResult | None:
    """An Origin in its parts: `http` or `https`, a name, perhaps a port; None where it is anything else, or "null"."""
    parts = _split(origin)
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return None if parts.path.strip("/") or parts.query or parts.fragment else parts


def _plain(origin: str) -> str:
    return origin.strip().rstrip("/").lower()


@functools.lru_cache(64)
def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
