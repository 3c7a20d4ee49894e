"""The Map page in Python: the view in the address, wishes for fits, the static figure."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from ui.components import map as map_component
from ui.components.map import FitRequest, read_changed, read_request
from ui.live import cache
from ui.live.cache import weights_sha
from ui.map import fits
from ui.map.figures import CLASSES, map_figure, places_of
from ui.map.histograms import histogram
from ui.map.tables import histogram_table, map_table
from ui.map.view import MapView, read_view
from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.errors import RunError
from vae.model.vae import build_model
from vae.runs import load_run
from vae.space.encodings import codes_of
from vae.space.fit_process import fit, request_fit
from vae.space.map_kinds import methods_for
from vae.space.places_file import pack_places
from vae.space.projections import Pca
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the page asked of the processes, instead of processes."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(fits, "warm", lambda: None)
    monkeypatch.setattr(fits, "start_fit", lambda path, *rest: asked.append(("start", path.name, *rest)) or "")
    monkeypatch.setattr(fits, "end_fit", lambda path, *rest: asked.append(("stop", path.name, *rest)))
    return asked


@pytest.fixture
def demo(runs_folder: Path) -> Path:
    return Path(shutil.copytree(DEMOS / "demo-digits-2d", runs_folder / "two", ignore=shutil.ignore_patterns("proj*")))


@pytest.fixture
def wide(runs_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Ten dimensions, 2,000 images that came along."""
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "none"))
    return Path(shutil.copytree(DEMOS / "demo-mnist-10d", runs_folder / "ten", ignore=shutil.ignore_patterns("proj*")))


def show(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/map.py").run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def given(app: AppTest) -> dict[str, Any]:
    """What the map was given."""

    def walk(block: Any) -> Any:
        for element in block:
            if hasattr(element, "children"):
                yield from walk(element.children.values())
            elif hasattr(getattr(element, "proto", None), "component_name"):
                yield element.proto

    found = {proto.json for proto in walk(app.main) if proto.component_name == "elbo_room_map_map"}
    assert len(found) == 1
    return json.loads(found.pop())


def test_a_plane_for_two_dimensions_pca_for_more(app: AppTest, demo: Path, wide: Path) -> None:
    two = given(show(app, run="two"))
    assert (two["run"], two["k"], two["problem"]) == ("two", 2, "")
    assert [method["name"] for method in two["methods"]][:3] == ["plane", "tsne", "tsne-sklearn"]
    assert two["support"] == "real"
    assert two["view"] == {"method": "plane", "i": 0, "j": 1, "colour": "label", "part": "test"}
    app.query_params["run"] = "ten"
    ten = given(app.run())
    assert ten["methods"][0] == Pca.descriptor()
    assert ten["methods"][-1]["name"] == "dims"
    assert ten["view"]["method"] == "pca"


def test_the_address_is_the_view(app: AppTest, wide: Path) -> None:
    view = given(show(app, run="ten", method="dims", i="3", j="7", colour="z9", part="train"))["view"]
    assert view == {"method": "dims", "i": 3, "j": 7, "colour": "z9", "part": "train"}


def test_what_the_address_cannot_mean_is_left_out_and_said(app: AppTest, demo: Path) -> None:
    show(app, run="two", method="pca", colour="z2", i="-1", j="nan", part="../x", evil="<b>")
    assert given(app)["view"] == {"method": "plane", "i": 0, "j": 1, "colour": "label", "part": "test"}
    page = html(app)
    assert "(method, i, j, colour, part)" in page
    assert "does not know (evil)" in page
    assert set(app.query_params) == {"run"}


def test_a_changed_view_goes_into_the_address(app: AppTest, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"run": "ten", "method": "dims", "i": 1, "j": 4, "colour": "rate", "part": "test"}
    monkeypatch.setattr(map_component, "_map", lambda **_: {"view": changed})
    show(app, run="ten")
    assert {name: app.query_params[name] for name in ("method", "i", "j", "colour")} == {
        "method": "dims",
        "i": "1",
        "j": "4",
        "colour": "rate",
    }


def test_wishes_reach_the_processes(
    app: AppTest, wide: Path, monkeypatch: pytest.MonkeyPatch, no_processes: list[tuple[str, ...]]
) -> None:
    for action in ("start", "stop"):
        wish = {"action": action, "run": "ten", "method": "tsne", "part": "test"}
        monkeypatch.setattr(map_component, "_map", lambda wish=wish, **_: {"fit": wish})
        show(app, run="ten")
        assert no_processes[-1] == (action, "ten", "tsne", "test")


def test_a_fit_that_cannot_start_is_explained(app: AppTest, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_data: list[dict[str, Any]] = []

    def component(data: dict[str, Any], **_: Any) -> dict[str, Any]:
        given_data.append(data)
        return (
            {"fit": {"action": "start", "run": "ten", "method": "tsne", "part": "test"}} if len(given_data) < 2 else {}
        )

    monkeypatch.setattr(map_component, "_map", component)
    monkeypatch.setattr(fits, "start_fit", lambda *_: "two maps are being computed already")
    show(app, run="ten")
    assert given_data[-1]["problem"] == "two maps are being computed already"


def test_without_runs_or_with_a_wrong_one_there_is_a_way_on(app: AppTest, runs_folder: Path) -> None:
    assert "Nothing to explore yet" in html(show(app))
    app.query_params["run"] = "../../etc"
    app.run()
    assert not app.exception
    assert "There is no run named" in html(app)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {"run": "other", "method": "pca"},
        {"run": "ten", "method": "pca", "colour": "z10"},
        {"run": "ten", "method": "dims", "i": 2, "j": 2},
        {"run": "ten", "method": ["pca"]},
        "pca",
    ],
)
def test_only_views_of_this_run_are_taken_from_a_browser(sent: object) -> None:
    assert read_changed(sent, "ten", 10) is None


def test_only_wishes_that_can_be_met_are_taken_from_a_browser() -> None:
    good = {"run": "ten", "action": "start", "method": "tsne", "part": "train"}
    assert read_request(good, "ten", 10) == FitRequest("start", "tsne", "train")
    for name, value in (("run", "two"), ("action", "rm"), ("method", "pca"), ("method", "../x"), ("part", "all")):
        assert read_request({**good, name: value}, "ten", 10) is None
    assert read_request(good, "ten", 1) is None  # one dimension needs no t-SNE
    assert read_request({**good, "method": "tsne-sklearn"}, "ten", 10) == FitRequest("start", "tsne-sklearn", "train")
    assert methods_for(1) == ["line"]
    assert methods_for(2, "binary") == methods_for(10)  # bits have no plane
    assert read_view({"method": "plane"}, 2, "binary")[0].method == "pca"
    assert read_view({"method": "tsne"}, 1) == (MapView("line", 0, 0), ["method"])


# ---- figure and table


@pytest.fixture
def fresh() -> Any:
    cache.forget()
    yield
    cache.forget()


def test_places_are_those_of_the_page(fresh: None, demo: Path, wide: Path) -> None:
    codes = codes_of(load_run(demo))
    np.testing.assert_array_equal(places_of(demo, MapView("plane"))[0], codes.loc)
    places, _, axes = places_of(wide, MapView("dims", 7, 2))
    np.testing.assert_array_equal(places, codes_of(load_run(wide)).loc[:, [7, 2]])
    assert axes == ("z7", "z2")
    with pytest.raises(RunError, match="t-SNE is not computed yet"):
        places_of(demo, MapView("tsne"))
    folder = request_fit(demo, "tsne", weights_sha(demo), codes.loc)
    (folder / "stop").touch()
    fit(folder)
    assert places_of(demo, MapView("tsne"))[0].shape == (360, 2)


def test_the_figure_shows_every_class_or_a_scale(fresh: None, demo: Path, wide: Path) -> None:
    figure = map_figure(demo, MapView("plane"))
    assert figure.layout.title.text == "two · latent plane · coloured by label"
    assert figure.layout.title.subtitle.text == "360 held-out images of digits"
    assert map_figure(wide, MapView("dims", 7, 2, "z3")).layout.title.text == "ten · z7 and z2 · coloured by z3"
    assert [trace.name for trace in figure.data] == list("0123456789")
    assert sum(len(trace.x) for trace in figure.data) == 360
    assert len({trace.marker.color for trace in figure.data}) == 10
    by_rate = map_figure(wide, MapView("pca", colour="rate"))
    (trace,) = by_rate.data
    assert len(trace.x) == 2000
    assert trace.marker.colorbar.title.text == "rate, nats"
    assert "of the variance" in by_rate.layout.xaxis.title.text
    assert by_rate.layout.title.text == "ten · PCA · coloured by rate"
    (by_z,) = map_figure(wide, MapView("pca", colour="z3")).data
    np.testing.assert_array_equal(by_z.marker.color, codes_of(load_run(wide)).loc[:, 3])


def test_colours_of_the_figures_are_those_of_the_page() -> None:
    module = (Path(map_component.__file__).parents[1] / "static" / "map" / "colours.js").read_text()
    for tone, colours in CLASSES.items():
        assert f"{tone}: {json.dumps(list(colours))}" in module


@pytest.mark.parametrize("quantity", ["rate", "distortion", "z1"])
def test_a_histogram_counts_every_image_by_label(fresh: None, demo: Path, quantity: str) -> None:
    codes = codes_of(load_run(demo))
    values = codes.loc[:, 1] if quantity == "z1" else getattr(codes, quantity)
    figure = histogram(demo, quantity, tone="dark")
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.name for bar in bars] == list("0123456789")
    assert tuple(bar.marker.color for bar in bars) == CLASSES["dark"]
    assert figure.layout.barmode == "stack"
    area = 360 if quantity == "z1" else 1 / bars[0].width[0]  # a density's is 1, that of counts their number
    for label, bar in enumerate(bars):
        assert np.sum(bar.y * bar.width) * area == pytest.approx(np.sum(codes.labels == label))
        middle = np.sum(bar.x * bar.y) / np.sum(bar.y)
        assert middle == pytest.approx(values[codes.labels == label].mean(), abs=bar.width[0] / 2)
    assert figure.layout.title.text.startswith("two · " + {"z1": "z1 against the prior"}.get(quantity, quantity))
    assert figure.layout.paper_bgcolor == "#15171C"
    if quantity == "z1":
        (prior,) = (trace for trace in figure.data if trace.type == "scatter")
        np.testing.assert_allclose(prior.y, np.exp(-np.square(prior.x) / 2) / np.sqrt(2 * np.pi))
        assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("E_q[z1] of each image", "density")
    else:
        assert figure.layout.xaxis.title.text.endswith("nats per image")
        assert figure.layout.yaxis.title.text == "images"
    rows = list(csv.DictReader(io.StringIO(histogram_table(demo, quantity))))
    np.testing.assert_allclose([float(row[quantity]) for row in rows], values, rtol=1e-4, atol=1e-6)
    assert set(rows[0]) == {"run", "index", "row", "row_of", "label", quantity}


def test_a_histogram_leaves_out_what_is_not_finite_and_says_so(
    fresh: None, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = codes_of(load_run(demo))
    codes.rate[:3] = np.nan
    monkeypatch.setattr("ui.map.histograms.current_codes", lambda *_: codes)
    figure = histogram(demo, "rate")
    assert sum(int(np.sum(bar.y)) for bar in figure.data) == 357
    assert "3 not finite, left out" in figure.layout.title.subtitle.text
    codes.rate[:] = np.nan
    with pytest.raises(RunError, match="diverged"):
        histogram(demo, "rate")


def test_bits_are_shown_as_probabilities_beside_their_prior(fresh: None, app: AppTest, runs_folder: Path) -> None:
    info = describe("digits")
    config, _ = complete(Config(latent="bernoulli", latent_dim=2, hidden=(12,)), info)
    path = runs.create_run(config, info.to_json(), "bits", runs_folder)
    weights = save(build_model(config, info.shape).state_dict(), metadata={"step": "1"})
    runs.save_checked(path, {runs.WEIGHTS: weights})
    given_map = given(show(app, run="bits", method="plane"))
    assert (given_map["support"], given_map["view"]["method"]) == ("binary", "pca")
    assert "plane" not in [method["name"] for method in given_map["methods"]]
    figure = histogram(path, "z1")
    assert figure.layout.xaxis.title.text == "q(z1 = 1|x) of each image"
    assert [shape.x0 for shape in figure.layout.shapes] == [0.5]
    assert not [trace for trace in figure.data if trace.type == "scatter"]


def test_the_table_holds_every_image(fresh: None, demo: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(map_table(demo, MapView("plane")))))
    codes = codes_of(load_run(demo))
    measured = ["rate", "distortion", "z0", "z1", "plane_z0", "plane_z1"]
    assert len(rows) == 360
    assert [row["label"] for row in rows] == [str(label) for label in codes.labels]
    assert list(rows[5]) == ["run", "index", "row", "row_of", "label", *measured]
    assert (rows[5]["run"], rows[5]["index"], rows[5]["row_of"]) == ("two", "5", "digits")
    from sklearn.datasets import load_digits

    own = load_digits()  # whose order the rows undo the hidden split to
    for row, image in zip(rows, codes.images, strict=True):
        assert str(own.target[int(row["row"])]) == row["label"]
        np.testing.assert_array_equal(np.round(own.images[int(row["row"])] / 16 * 255), image[0])
    assert float(rows[5]["z1"]) == float(rows[5]["plane_z1"]) == pytest.approx(float(codes.loc[5, 1]), rel=1e-4)
    assert float(rows[5]["distortion"]) == pytest.approx(float(codes.distortion[5]), rel=1e-4)


def test_class_names_are_text_in_figures_and_tables(fresh: None, demo: Path) -> None:
    config, data = runs.read_config(demo)
    names = ["=HYPERLINK(1)", "+1", "-x", "@a", "\tb", "<a href='http://evil'>c</a>", "d & e", "7", "8", "9"]
    runs.replace_config(demo, config, {**data, "classes": names})
    for figure in (map_figure(demo, MapView("plane")), histogram(demo, "rate")):
        shown = [trace.name for trace in figure.data if trace.name]
        assert "&lt;a href='http://evil'&gt;c&lt;/a&gt;" in shown  # as plotly.js shows < and > literally
        assert "d &amp; e" in shown
        assert not any("<" in name for name in shown)
    codes = dataclasses.replace(codes_of(load_run(demo), "test", 10), labels=np.arange(10))
    for table in (map_table(demo, MapView("plane")), pack_places(np.zeros((10, 2)), codes, ".csv").decode()):
        found = {row["label"] for row in csv.DictReader(io.StringIO(table))}
        assert {"'=HYPERLINK(1)", "'+1", "'-x", "'@a", "'\tb", "d & e", "7"} <= found


def test_the_static_figure_is_on_the_page_when_asked_for(fresh: None, app: AppTest, demo: Path) -> None:
    show(app, run="two")
    assert not app.get("plotly_chart")
    app.toggle(key="map-static").set_value(True).run()
    assert not app.exception
    for kind, title in (
        ("map", "two · latent plane"),
        ("rate", "two · rate per image"),
        ("distortion", "two · distortion per image"),
        ("codes", "two · z0 against the prior"),
    ):
        app.button_group(key="map-kind").set_value(kind).run()
        assert not app.exception
        (chart,) = app.get("plotly_chart")
        assert title in json.loads(chart.proto.spec)["layout"]["title"]["text"]
        assert len(app.get("download_button")) == 2
    app.selectbox(key="map-dimension").set_value("z1").run()
    app.button_group(key="map-picture").set_value("SVG").run()
    (chart,) = app.get("plotly_chart")
    assert "z1 against the prior" in chart.proto.spec
    image = json.loads(chart.proto.config)["toImageButtonOptions"]
    assert (image["format"], image["filename"]) == ("svg", "two-z1")


def test_a_run_of_a_thousand_million_dimensions_is_a_sentence_at_once(app: AppTest, demo: Path) -> None:
    content = json.loads((demo / "config.json").read_text())
    content["config"]["latent_dim"] = 10**9
    runs.save_checked(demo, {"config.json": json.dumps(content).encode()})
    began = time.process_time()
    show(app, run="two")
    assert "latent_dim: expected a whole number from 1 to 512, got 1000000000" in html(app)
    assert time.process_time() - began < 10  # as long as any page takes, and no more
