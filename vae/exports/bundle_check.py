"""Whether what lies unpacked is a sound run: every file read by the reader that pages and training have for it."""

from __future__ import annotations

from pathlib import Path

from vae import runs
from vae.checked_json import Misfit
from vae.config import YOURS
from vae.datasets import DATASETS
from vae.errors import ElboRoomError, RunDamaged
from vae.exports import bundle_layout as layout
from vae.exports.export import Progress
from vae.files import read_bytes
from vae.model.vae import Model
from vae.runs.config_file import CONFIG
from vae.runs.history import MOST_LINE
from vae.runs.live_knobs import read_replay
from vae.runs.moments import FOLDER, list_moments, model_at
from vae.runs.own_data import IMAGES
from vae.runs.preview_file import read_header
from vae.runs.ship import HELD_OUT, held_out
from vae.runs.start import REPLAY, unpack_state
from vae.runs.status import STATUS as STATUS_FIELDS
from vae.runs.sweep_mark import SWEEP, read_mark, write_mark

MOST_MESSAGE = 500  # characters of how it ended


def check_run(path: Path, progress: Progress) -> None:
    """Raises ElboRoomError, a sentence that names the file. What would speak of another machine is written anew: the
    status, the sweep's mark."""
    run = runs.load_run(path)
    if run.config.dataset not in (*DATASETS, YOURS) and run.data.get("digest") is None:
        raise runs.damaged(path, CONFIG, "data.digest: expected to be there for a file of somebody's own")
    progress(0.5, "reading the weights")
    model = run.model
    _check_history(path)
    _check_status(path)
    runs.read_knobs(path)
    if (path / SWEEP).is_file() and (mark := read_mark(path)) is not None and mark.warm_from is not None:
        write_mark(path, type(mark)(mark.id, mark.name, mark.varies))
    if (path / HELD_OUT).is_file():
        held_out(path)
    if (path / IMAGES).is_file():
        if run.config.dataset != YOURS:
            raise RunDamaged(f"{IMAGES} belongs to runs of somebody's own loop or model, which this one is not")
        run.dataset()
    _check_preview(path, tuple(run.data["shape"]))
    if (path / runs.STATE).is_file():
        progress(0.6, "reading the state of training")
        _check_state(path, model)
    elif (path / REPLAY).is_file():
        raise RunDamaged(f"{REPLAY} belongs to a state of training, which is not there")
    _check_moments(path, progress)


def _check_history(path: Path) -> None:
    """Line by line: in memory a long one takes several times its bytes."""
    with open(path / layout.HISTORY, "rb") as file:
        for place, line in enumerate(iter(lambda: file.readline(MOST_LINE + 2), b""), 1):
            try:
                runs.read_line(line)
            except Misfit as misfit:
                raise runs.damaged(path, layout.HISTORY, f"line {place:,}: {misfit}") from None


def _check_status(path: Path) -> None:
    values = runs.read_file(path, layout.STATUS, STATUS_FIELDS)
    values["message"] = " ".join(values.get("message", "").split())[:MOST_MESSAGE]
    if values.get("state") not in runs.ENDED:
        raise runs.damaged(path, layout.STATUS, f"state: expected one of {', '.join(runs.ENDED)}")
    kept = ("state", "step", "epoch", "total_steps", "message", "knobs_revision")
    runs.write_status(path, runs.Status(**{name: values[name] for name in kept if name in values}))


def _check_preview(path: Path, shape: tuple[int, ...]) -> None:
    if not (path / layout.LIVE).is_file():
        return
    header = read_header(read_bytes(path / layout.LIVE))
    if (header.channels, header.height, header.width) != shape:
        raise runs.damaged(path, layout.LIVE, f"expected images of shape {shape}")


def _check_state(path: Path, model: Model) -> None:
    """Shapes too: what does not fit would else be told when somebody goes on with it."""
    tensors, values = unpack_state(runs.read_checked(path, runs.STATE), path.name)
    size = runs.history_size(path)
    if values["history_bytes"] > size:
        raise runs.damaged(
            path, runs.STATE, f"it belongs to a history of {values['history_bytes']:,} bytes, not {size:,}"
        )
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        found = tensors.get(f"model.{name}")
        if found is None or (found.shape, found.dtype) != (tensor.shape, tensor.dtype):
            raise runs.damaged(path, runs.STATE, f"{name!r} is not there as {layout.MODEL} has it")
    read_replay(path)


def _check_moments(path: Path, progress: Progress) -> None:
    moments = list_moments(path)
    for place, moment in enumerate(moments):
        progress(0.7 + 0.3 * place / len(moments), f"reading the moment of step {moment.step:,}")
        try:
            model_at(path, moment.step)
        except ElboRoomError as error:
            raise RunDamaged(str(error)) from None
    if (path / FOLDER).is_dir():
        named = {Path(moment.file).name for moment in moments} | {"index.json"}
        if more := sorted({file.name for file in (path / FOLDER).iterdir()} - named):
            raise runs.damaged(path, f"{FOLDER}/{more[0]}", "no moment of the index")
