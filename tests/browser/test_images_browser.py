"""Pictures of one's own in a browser: dropped, reported on, seen as the model will see them, trained on, found again by
the names of their files."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, rested
from tests.browser.map_page import middle, open_map
from tests.browser.train_page import records
from tests.vae.datasets.own.pictures_made import encoded, picture, two_classes, write
from vae import runs
from vae.datasets import load_dataset, own_datasets

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def with_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a data root of its own, beside its log; it trains and maps with spare processes, as by default."""
    folder = tmp_path_factory.mktemp("images")
    made = Server(folder, ELBO_ROOM_DATA=str(folder / "data"), ELBO_ROOM_SPARES="1")
    yield made
    made.close()


@pytest.fixture
def data(with_data: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = with_data.log.with_name("data")
    shutil.rmtree(root, ignore_errors=True)
    monkeypatch.setenv("ELBO_ROOM_DATA", str(root))
    return root


@pytest.fixture
def server(with_data: Server, data: Path) -> Iterator[Server]:
    with_data.empty_runs()
    yield with_data
    with_data.settle()


def mixed(folder: Path) -> dict[str, str]:
    """200 files of every kind side by side, and what the report has to say of them: 190 that can be used."""
    kinds: list[Callable[[Image.Image], bytes]] = [
        encoded,
        lambda image: encoded(image, "JPEG"),
        lambda image: encoded(image.convert("L")),
        lambda image: encoded(image.convert("CMYK"), "JPEG"),
    ]
    for i in range(188):
        write(folder, f"{i:03d}.{'jpg' if i % 2 else 'png'}", kinds[i % 4](picture(i, 30 + i % 7, 24)))
    write(folder, "copy.png", (folder / "000.png").read_bytes())
    write(folder, "white.png", encoded(Image.new("L", (30, 24), 255)))
    for i in range(6):
        write(folder, f"broken-{i}.png", encoded(picture(i))[: 60 + i])
    for name in ("a.svg", "b.gif", "notes.txt", "c.bmp"):
        write(folder, name, b"x")
    return {
        "Pictures": "190 can be used",
        "Sizes": "7 different, from 30 × 24 to 36 × 24",
        "Colours": "142 in colour, 48 grey; as stored: RGB 95, L 48, CMYK 47",
        "The same twice": "1 exactly, to the byte: copy.png as 000.png",
        "Nearly the same": "none, to the eye",
        "Blank": "1 of a single colour: white.png",
        "Skipped": "10",
    }


def report_of(page: Page) -> dict[str, str]:
    facts = page.locator(".st-key-panel-own-report dl").first
    names, values = facts.locator("dt").all_inner_texts(), facts.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def dropped(page: Page, files: dict[str, bytes]) -> None:
    """A drop as a hand makes it: the files come with the event."""
    content = {name: base64.b64encode(data).decode() for name, data in files.items()}
    page.locator(".zone").evaluate(
        """(zone, content) => {
             const transfer = new DataTransfer();
             for (const [name, data] of Object.entries(content))
               transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
             zone.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
           }""",
        content,
    )


def open_images(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/images")
    expect(page.get_by_role("button", name="Choose a folder")).to_be_visible(timeout=120_000)


def use(page: Page, name: str) -> None:
    """Give the name, press the button, arrive at the form with these images chosen."""
    field = page.get_by_label("Name", exact=True)
    field.fill(name)
    field.press("Enter")
    page.get_by_role("button", name="Use these images").click()
    expect(page.get_by_role("button", name="Start training")).to_be_enabled(timeout=120_000)
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()


def train(page: Page, server: Server, eventually: Callable[..., None]) -> str:
    """Start the training, wait for its first numbers, end it; the run's name."""
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile("run="))
    name = page.url.rsplit("run=", 1)[1]
    path = server.runs / name
    eventually(lambda: records(path), 120)
    runs.change_knobs(path, stop=True)
    eventually(lambda: runs.read_status(path).state in runs.ENDED, 120)
    return name


def test_from_a_drop_to_the_names_of_files_on_the_map(
    server: Server, window: Any, data: Path, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    expected = mixed(tmp_path / "mixed")
    page = window.page()
    open_images(page, server)
    page.locator("input[webkitdirectory]").set_input_files(tmp_path / "mixed")
    expect(page.get_by_role("button", name="Use these images")).to_be_visible()
    assert report_of(page) == expected
    page.get_by_text("What is skipped, and why").click()
    expect(page.get_by_text(".svg: not a PNG or a JPEG")).to_be_visible()
    seen = page.locator(".er-pair .er-pixels")
    expect(seen).to_have_count(12)
    assert seen.first.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [64, 64]
    for label, value in (("Height", "20"), ("Width", "26")):
        field = page.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
        rested(page)
    size = "image => image.naturalWidth === 26 && image.naturalHeight === 20"
    eventually(lambda: seen.first.evaluate(size))
    use(page, "mixed")
    assert load_dataset("mixed").shape == (3, 20, 26)
    name = train(page, server, eventually)
    stage = open_map(page, server.url, f"run={name}")
    page.get_by_role("button", name="Box").click()
    box = stage.bounding_box()
    assert box
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] - 3, steps=6)
    page.mouse.up()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the selection as JSON").click()
    images = json.loads(Path(waiting.value.path()).read_text())["images"]
    files = load_dataset("mixed").files_of("test")
    assert files is not None
    assert len(images) > 10
    assert {image["file"] for image in images} <= set(files)
    assert all(image["file"] == files[image["index"]] for image in images)
    page.keyboard.press("Escape")
    page.mouse.move(*middle(stage))
    expect(page.get_by_text(re.compile(r"\d\.(png|jpg) \(row \d+ of mixed\)")).first).to_be_visible()
    open_images(page, server)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text(f"Trained on it: {name}.")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    eventually(lambda: own_datasets() == [])


def test_a_tree_a_zip_and_a_parquet_of_four_thousand_rows(
    server: Server, window: Any, data: Path, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    open_images(page, server)
    tree = tmp_path / "pets"
    two_classes(tree / "train", 30)
    two_classes(tree / "test", 8)
    page.locator("input[webkitdirectory]").set_input_files(tree)
    expect(page.get_by_role("button", name="Use these images")).to_be_visible()
    report = report_of(page)
    assert (report["Classes"], report["Parts"]) == ("2: cat 38, dog 38", "test 16, train 60")
    assert report["The same twice"].startswith("16 exactly")  # both parts hold the same first eight
    use(page, "tree")
    train(page, server, eventually)
    assert (load_dataset("tree").info.train, load_dataset("tree").info.test) == (60, 16)

    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as file:
        for path in sorted((tree / "train").rglob("*.png")):
            file.write(path, path.relative_to(tree / "train"))
        file.writestr("cat/broken.png", b"no")
    open_images(page, server)
    dropped(page, {"hostile.zip": b"PK\x03\x04 no zip"})
    expect(page.get_by_text(re.compile("hostile.zip: cut off, damaged or no zip"))).to_be_visible()
    dropped(page, {"pets.zip": (tmp_path / "pets.zip").read_bytes()})
    expect(page.get_by_role("button", name="Use these images")).to_be_visible()
    report = report_of(page)
    assert (report["Pictures"], report["Skipped"]) == ("60 can be used", "1")
    assert report["Classes"] == "2: cat 30, dog 30"
    use(page, "zipped")
    labels = load_dataset("zipped").test_labels
    assert labels is not None
    assert labels.bincount().tolist() == [6, 6]

    files = [encoded(picture(i, 16, 16), "JPEG") for i in range(40)]
    rows = {"image": [{"bytes": files[i % 40], "path": f"{i}.jpg"} for i in range(4_000)]}
    rows["label"] = [i % 4 for i in range(4_000)]  # type: ignore[misc]
    pq.write_table(pa.table(rows), tmp_path / "big.parquet", row_group_size=1000)
    open_images(page, server)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "big.parquet")
    expect(page.get_by_role("button", name="Use these images")).to_be_visible(timeout=180_000)
    report = report_of(page)
    assert report["Pictures"] == "4,000 can be used"
    assert report["Sizes"] == "16 × 16, all of them"
    assert report["Classes"] == "4: 0 1,000, 1 1,000, 2 1,000, 3 1,000"
    assert report["The same twice"].startswith("3,960 exactly, to the byte: 40.jpg, row 40 as 0.jpg, row 0")
    use(page, "big")
    train(page, server, eventually)
    dataset = load_dataset("big")
    assert (dataset.info.train, dataset.info.test) == (3_200, 800)
    names = dataset.files_of("test")
    assert names is not None
    assert np.array_equal(names[:3], [f"{row}.jpg, row {row}" for row in dataset.test_rows[:3].tolist()])
