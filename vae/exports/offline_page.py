"""A run as one page that opens without a server and without a network: sliders, map, samples, traversal, curves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae import runs
from vae.browser.decoder_export import MAGIC, pack_decoder
from vae.browser.framing import frame, unframe
from vae.errors import ConfigError, DecoderUnsupported, ProjectionError, RunDamaged
from vae.exports import offline_data as data
from vae.exports import offline_words as words
from vae.exports.export import Export, Progress, why_no_weights
from vae.exports.offline_modules import ROOT, read_modules, theme_styles
from vae.exports.offline_shell import Section, page_html
from vae.files import write_atomically
from vae.runs import WEIGHTS, Run
from vae.runs.checkpoints import weights_step
from vae.runs.own_numbers import why_no_likelihood
from vae.space.encodings import Codes, codes_of
from vae.space.fit_process import folder_of, read_fit, read_frame
from vae.space.map_kinds import describe_methods
from vae.space.packed_codes import pack_codes
from vae.space.projection import FEWEST, LinearProjection
from vae.space.projections import PROJECTIONS

STATIC = ROOT / "ui/static"
MOST_ENCODED = 100_000  # images that are encoded for the numbers; the first ones of a larger set
MOST_DECODER = 24_000_000  # bytes of a decoder that is handed out
ENCODING = 0.7  # share of the work


def write_page(run: Run, kind: str, file: Path, progress: Progress, static: Path = STATIC) -> dict[str, Any]:
    """Writes the page; returns how many images it holds of how many, and how the decoder is kept. `static`: where the
    application's browser modules are. Raises ConfigError, DataError, RunError, OSError, Stopped."""
    progress(0.0, "reading the browser modules")
    modules = read_modules(static=static)
    styles = "\n".join([theme_styles(), *(_style(static, name) for name in ("shared/palette.css", "offline/page.css"))])
    sha = _sha(run)
    codes = codes_of(run, "test", MOST_ENCODED, lambda share: progress(ENCODING * share, "encoding the images"))
    few = data.take(codes, rows := data.choose_rows(codes))
    progress(ENCODING, "packing the decoder")
    decoder, header, reason = _decoder(run, sha, codes.limits)
    progress(0.85, "packing codes and images")
    blocks, errors, about = _blocks(run, few, rows, sha, progress)
    if decoder is not None:
        blocks["decoder"] = decoder
    about |= {"reason": reason}
    blocks["page"] = json.dumps(about, allow_nan=False).encode()
    notes = [note for note in (why_no_likelihood(run.config, run.data),) if note]
    progress(0.97, "writing the page")
    held = words.what_it_holds(codes, few, errors, data.rounding_of_images(few), header, reason)
    text = page_html(
        name=run.name,
        numbers=words.numbers(codes),
        facts=words.how_made(run, codes),
        held=[*held, *_further(about)],
        notes=notes,
        sections=_sections(few, about),
        modules=modules,
        styles=styles,
        blocks=blocks,
    )
    write_atomically(file, text.encode())
    return {"images": f"{len(few):,} of {len(codes):,}", "decoder": header["precision"] if header else "none"}


def _style(static: Path, name: str) -> str:
    return (static / name).read_text(encoding="utf-8")


def _sha(run: Run) -> str:
    sha = runs.content_hash(run.path, WEIGHTS)
    if sha is None:
        raise ConfigError(f"run {run.name!r} has no weights yet; they come with its first step")
    return sha


def _decoder(run: Run, sha: str, limits: tuple[float, float]) -> tuple[bytes | None, dict[str, Any] | None, str]:
    """The packed decoder and its header, or why there is none, a sentence."""
    try:
        packed = pack_decoder(run.model, sha, limits)
    except DecoderUnsupported as error:
        return None, None, f"no page can run it by itself ({error})."
    if len(packed) > MOST_DECODER:
        return None, None, f"it has {len(packed) / 1e6:,.0f} MB, and a file to hand out holds {MOST_DECODER / 1e6:.0f}."
    return packed, unframe(packed, dict, MAGIC, len(packed))[0], ""


def _blocks(
    run: Run, few: Codes, rows: NDArray[np.int64], sha: str, progress: Progress
) -> tuple[dict[str, bytes], dict[str, float], dict[str, Any]]:
    """The bytes that the page's modules ask for by name, the errors of the codes, and what the page knows of them."""
    model, config, step = run.model, run.config, weights_step(run.path)
    channels, height, width = model.shape
    owned = config.likelihood is not None and model.likelihood.owns_C
    packed, errors = data.quantise(pack_codes(few))
    picture, columns = data.sprite(few.images)
    progress(0.92, "packing the training curves")
    lines, kept, recorded = data.thin_history(run.history)
    blocks = {"codes": packed, "images": picture, "history": lines}
    if (factors := data.packed_factors(model, few)) is not None:
        blocks["covariances"] = factors
    planes, layouts = _planes(few), _layouts(run, few, rows, sha)
    blocks |= {f"layout-{method}": packed for method, packed in layouts.items()}
    support = model.latent.support
    methods = [m for m in describe_methods(model.k, support) if _is_held(m, planes, layouts)]
    status = {"state": "finished", "step": step or 0, "total_steps": 0}
    ended = runs.read_status(run.path)
    if ended.state not in runs.ACTIVE:
        status |= {"state": ended.state, "total_steps": ended.total_steps}
    about = {
        "run": run.name,
        "newest": {"sha": sha, "step": step, "k": model.k, "height": height, "width": width, "channels": channels},
        "support": support,
        "factorises": model.latent.factorises,
        "labels": few.labels is not None,
        "columns": columns,
        "planes": planes,
        "methods": methods,
        "covariances": factors is not None or few.log_variance is not None or support == "binary",
        "status": status,
        "records": [kept, recorded],
        "curves": {
            "likelihood": config.likelihood or "",
            "owns_C": owned,
            "error": owned or not config.is_yours,
            "pixels": channels * height * width,
            "objective": config.objective,
            "samples": config.samples,
        },
    }  # fmt: skip
    return blocks, errors, about


def _is_held(method: dict[str, str], planes: dict[str, Any], layouts: dict[str, bytes]) -> bool:
    """Whether the page can draw this kind of map: it lays planes of dimensions out itself."""
    name = method["name"]
    return name in planes or name in layouts or (name not in PROJECTIONS)


def _planes(few: Codes) -> dict[str, Any]:
    """The linear projections of the codes in the file, by name, as the route `plane` answers."""
    planes: dict[str, Any] = {}
    if few.loc.shape[1] < 2 or len(few) < FEWEST:
        return planes
    for name, kind in PROJECTIONS.items():
        if not issubclass(kind, LinearProjection):
            continue
        projection = kind()
        try:
            projection.fit(few.loc)
        except ProjectionError:
            continue
        planes[name] = {"method": name, **{key: array.tolist() for key, array in projection.arrays().items()}}
    return planes


def _layouts(run: Run, few: Codes, rows: NDArray[np.int64], sha: str) -> dict[str, bytes]:
    """The finished maps of these weights that are kept with the run, by method, as the route `layout` answers: those
    places that belong to the images in the file."""
    found: dict[str, bytes] = {}
    for name, kind in PROJECTIONS.items():
        if issubclass(kind, LinearProjection) or few.loc.shape[1] < 2:
            continue
        folder = folder_of(run.path, name, sha)
        status = read_fit(folder)
        try:
            places = np.asarray(read_frame(folder).places, "<f4")
        except (OSError, RunDamaged):
            continue
        if status.state != "finished" or status.weights not in ("", sha) or len(places) <= rows[-1]:
            continue
        found[name] = frame({**dataclasses.asdict(status), "tag": "held", "places": True}, places[rows].tobytes())
    return found


def _sections(few: Codes, about: dict[str, Any]) -> list[Section]:
    unit = "switch" if about["support"] == "binary" else "slider"
    where = f"Where the model puts {few.source}."
    if reason := about["reason"]:
        without = f"None in this file: they need the decoder, and {reason}"
        drawn = [Section("sliders", "Sliders", without, ""), Section("map", "Map", where, "map")]
    else:
        hand = f"One {unit} for each dimension of z; the decoder in this file draws what they say."
        others = ", the others as they stand above." if few.loc.shape[1] > 1 else "."
        drawn = [
            Section("sliders", "Sliders", hand, "sliders"),
            Section("map", "Map", f"{where} Move over it: each place is decoded.", "map"),
            Section("samples", "Samples", "What the model makes up by itself.", "samples"),
            Section("traversal", "Traversal", f"One dimension of z at a time{others}", "traversal"),
        ]
    kept, recorded = about["records"]
    thinned = f" {kept:,} of {recorded:,} records." if kept < recorded else ""
    if not kept:
        return [*drawn, Section("training", "Training", "This run has kept no records of a training.", "")]
    return [*drawn, Section("training", "Training", f"How it was trained.{thinned}", "curves")]


def _further(about: dict[str, Any]) -> list[str]:
    """Sentences on the maps, and on what had to stay out."""
    titles = ", ".join(method["title"] for method in about["methods"])
    sentences = [f"Maps: {titles}; planes are fitted to the images in the file."]
    if not about["covariances"]:
        sentences.append("Not in it: the covariances of q(z|x), which are too many; so no image has a spread here.")
    return sentences


HTML = Export(
    title="Page (HTML)",
    about="One file for a browser without a network: sliders, map, samples, traversal, curves.",
    ending=".html",
    write=write_page,
    kinds={},
    why_not=why_no_weights,
)
