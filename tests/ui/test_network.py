"""Who is let in: names, origins, frames, the base path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from urllib.parse import urljoin

import pytest
from streamlit import config
from streamlit.web.server.starlette import starlette_websocket

from ui import network
from ui.live import codes as codes_routes
from ui.live import decoder as decoder_routes
from ui.live import live
from ui.live import map as map_routes
from ui.network import host_allowed, origin_allowed, refusal, relative_location
from vae.errors import ConfigError

HOST = {"host": "localhost:8501"}


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST"])
def test_this_machine_passes(host: str) -> None:
    assert refusal({"host": host}) == ""


def test_a_refusal_names_what_the_list_is_to_hold() -> None:
    assert "add lab.example to server.allowedHosts" in refusal({"host": "Lab.Example:8501"})


def test_allowed_hosts_and_open_addresses(options: dict[str, object]) -> None:
    options["server.address"] = "0.0.0.0"
    assert host_allowed("192.0.2.7")  # an address cannot be rebound
    assert not host_allowed("lab.example")
    options["server.allowedHosts"] = ["lab.example", "*.uni.example."]
    assert host_allowed("Lab.Example".lower())
    assert host_allowed("vae.uni.example")
    assert not host_allowed("uni.example")
    assert not host_allowed("evil.example")
    assert not host_allowed("")
    options["server.allowedHosts"] = []
    options["server.address"] = "127.0.0.1"
    assert not host_allowed("192.0.2.7")
    options["browser.serverAddress"] = "https://VAE.example/lab"  # it may hold more than a name
    assert host_allowed("vae.example")


@pytest.mark.parametrize("listed", [[], ["lab.example", "*.uni.example"], ["*"]])
@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "lab.example", "a.uni.example", "192.0.2.7", "evil.example"]
)
def test_streamlits_socket_lets_in_whom_the_gate_lets_in(
    name: str, listed: list[str], options: dict[str, object]
) -> None:
    """A page that loads must also connect."""
    options.update({"server.address": "0.0.0.0", "server.allowedHosts": listed, "browser.serverAddress": "vae.example"})
    passed = host_allowed(name)
    network.configure_streamlit()
    assert host_allowed(name) == passed
    assert starlette_websocket.is_host_allowed(name) or not passed
    assert starlette_websocket.is_host_allowed("vae.example")


@pytest.mark.parametrize("listed", ["https://lab.example", " https://LAB.example/ "])
def test_an_origin_passes_where_it_is_listed_and_nowhere_else(listed: str, options: dict[str, object]) -> None:
    assert not origin_allowed({**HOST, "origin": "https://lab.example"})
    options["server.corsAllowedOrigins"] = [listed]
    assert origin_allowed({**HOST, "origin": "https://lab.example"})
    for other in (
        "http://lab.example",
        "https://lab.example:8443",
        "https://lab.example.evil",
        "https://a.lab.example",
    ):
        assert not origin_allowed({**HOST, "origin": other})
        assert "server.corsAllowedOrigins" in refusal({**HOST, "origin": other})


def test_the_address_that_visitors_use_is_an_origin_once_somebody_sets_it(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    options.update({"browser.serverAddress": "vae.example", "browser.serverPort": 8443})
    headers = [{**HOST, "origin": f"https://vae.example{port}"} for port in ("", ":8443", ":3000")]
    assert [origin_allowed(one) for one in headers] == [False, False, False]
    monkeypatch.setattr(config, "is_manually_set", lambda name: name == "browser.serverAddress")
    assert [origin_allowed(one) for one in headers] == [True, True, False]


def test_a_page_that_could_not_connect_is_refused_with_the_setting(options: dict[str, object]) -> None:
    """The proxy rewrites Host and says so: the websocket of that page would be refused by its Origin."""
    assert "server.corsAllowedOrigins" in refusal({**HOST, "x-forwarded-host": "lab.example"})
    assert "https://lab.example" in refusal({**HOST, "x-forwarded-host": "lab.example:8443, inner.example"})
    assert refusal({**HOST, "x-forwarded-host": "localhost"}) == ""
    assert refusal({**HOST, "x-forwarded-host": "[ "}) == ""  # no name
    options["server.corsAllowedOrigins"] = ["https://lab.example:8443"]
    assert refusal({**HOST, "x-forwarded-host": "lab.example"}) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "http://[", "http://localhost:x", "//[", "http://a:99999999", "//localhost:8501", "x://localhost:8501",
        "ws://localhost:8501", "x://localhost:8501/x", "http://localhost:8501/x", "http://localhost:8501?x",
        "localhost:8501", "http:",
    ],
)  # fmt: skip
def test_an_origin_that_cannot_be_read_is_refused_in_a_sentence(origin: str) -> None:
    assert refusal({**HOST, "origin": origin}) == f"Origin {origin!r} is not the address of a site."
    assert not origin_allowed({**HOST, "origin": origin})


@pytest.mark.parametrize("typed", ["elbo", "/elbo", "elbo/", "/elbo/"])
def test_every_route_is_below_the_base_path(typed: str, options: dict[str, object]) -> None:
    assert network.base_path() == ""
    options["server.baseUrlPath"] = typed
    assert network.base_path() == "/elbo"
    makers = (live.make_routes, codes_routes.make_routes, map_routes.make_routes, decoder_routes.make_decoder_routes)
    made = [route.path for make in makers for route in make(network.base_path())]
    assert "/elbo/live" in made
    assert all(path == "/elbo/live" or path.startswith("/elbo/runs/{name}/") for path in made)


def test_frames_are_named_sites_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert network.frame_ancestors() == ()
    monkeypatch.setenv(network.FRAMES, " https://a.example, http://*.b.example:81\thttps://c.example")
    assert network.frame_ancestors() == ("https://a.example", "http://*.b.example:81", "https://c.example")
    for wrong in ("*", "a.example", "https://a.example/course", "https://a.example;script-src", "https:", "'self'"):
        monkeypatch.setenv(network.FRAMES, f"https://fine.example {wrong}")
        with pytest.raises(ConfigError, match="ELBO_ROOM_FRAME_ANCESTORS: expected sites such as https://"):
            network.frame_ancestors()


@pytest.mark.parametrize("before", ["", "/elbo", "/a/b"])
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/train/", "/train"),
        ("/train/", "http://localhost:8501/train?x=1"),
        ("/lab", "http://localhost:8501/lab/"),
        ("/", "/train"),
        ("/a/b/c", "/"),
        ("/a/b/c/", "/a/d/e"),
    ],
)
def test_a_redirect_is_told_as_seen_from_where_it_is_asked(before: str, path: str, location: str) -> None:
    """Below any prefix that a proxy puts before both, the browser lands on the same place."""
    told = relative_location(path, location, "localhost:8501")
    inside = location.removeprefix("http://localhost:8501")
    assert urljoin(f"https://proxy.example{before}{path}", told) == f"https://proxy.example{before}{inside}"


@pytest.mark.parametrize("location", ["https://example.org/x", "//example.org/x", "http://[", "x", ""])
def test_other_redirects_stay_as_they_are(location: str) -> None:
    assert relative_location("/train", location, "localhost:8501") == location


def test_a_link_for_others_names_a_host_that_they_reach(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network.net_util, "get_internal_ip", lambda: "192.0.2.7")
    here, elsewhere = "http://localhost:8501/train", "https://vae.example.org/elbo/"
    options["server.address"] = "127.0.0.1"
    assert network.origin_for_others(here) is None  # nobody else reaches this server
    assert network.origin_for_others(elsewhere) == ""  # that visitor does, through a proxy
    options["server.address"] = "0.0.0.0"
    assert network.origin_for_others(here) == "http://192.0.2.7:8501"
    assert network.origin_for_others(elsewhere) == network.origin_for_others("") == ""
    options["server.allowedHosts"] = ["*.uni.example", "lab.example"]
    assert network.origin_for_others(here) == "http://lab.example:8501"  # its own address would be refused
    options["browser.serverAddress"] = "vae.example"
    assert network.origin_for_others("https://[::1]/train") == "https://vae.example"
    options.update({"server.allowedHosts": [], "browser.serverAddress": "localhost"})
    monkeypatch.setattr(network.net_util, "get_internal_ip", lambda: "127.0.0.1")  # no network
    assert network.origin_for_others(here) is None


def test_the_settings_that_ship_listen_on_this_machine_alone() -> None:
    settings = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit/config.toml").read_text())
    assert settings["server"]["address"] == "127.0.0.1"
