"""What lies on disk, and who writes it? A run is a directory; this package is the only place that knows its layout.

    config.json           format, the completed Config, the data's description; written once
    status.json           what the worker is doing; a Status, replaced several times a second
    knobs.json            what the user asked for; Knobs with a revision, replaced as a whole
    request.json          what the next process is to change (epochs, device) once it has checked all: see `start`
    sweep.json            the sweep that it belongs to, and from whose weights it starts; written once (`sweep_mark`)
    history.jsonl         one JSON object a line: records, knob changes, on what it runs; append-only while training
    weights.safetensors   the model, for whoever explores it
    resume/state.safetensors   model, optimiser, data order, random states: all that continuing exactly needs
    moments/              the weights at some twenty steps, float16, and an index (see `moments`)
    preview/live.bin      fixed held-out images and their reconstructions (see `preview`)
    preview/heldout.npz   held-out images that a packed run takes along (see `ship`)
    manifest.json         the SHA-256 of config, weights, state and held-out images: a flipped byte is noticed
    lock                  held by the process that trains the run
    origin.json           that it came in a bundle: who made it, and when (see `origin`)
    log.txt               what that process printed

directory config_file run_data     runs and their names; a run opened, its config and its own data
checkpoints checked_arrays saving  files with checksums, arrays from anybody; what a training leaves
weights moments            the model in a weights file; snapshots of training to look through
knobs live_knobs history status beats    what was asked for and is followed; what happened; how it stands
start scripting ship application   how training begins, here and in a notebook; a run packed; the app
sweep_mark                         which runs were made together, and which starts from whose weights
log run_writer shown_model         a run that somebody's own loop writes, step by step
wrap foreign_run own_data own_numbers    a model of somebody's own as a run: how it lies there, whether nats are nats
origin                             who made a run that came in a bundle
preview preview_file own_images    fixed images, written; their header read without torch; the command `images`

Nothing in it is ever unpickled, and nothing is trusted: each file has one reader, which holds size, depth, types and
ranges against declared fields and raises RunDamaged with file and field. Every name that comes from outside goes
through `run_path`.
"""

from vae.runs.checkpoints import (
    FORMAT,
    STATE,
    WEIGHTS,
    check_free_disk,
    content_hash,
    damaged,
    is_shipped,
    mark_as_shipped,
    read_checked,
    read_file,
    save_checked,
)
from vae.runs.config_file import check_known, read_config, replace_config
from vae.runs.directory import (
    TRASH,
    Run,
    clean_name,
    create_run,
    delete_run,
    empty_trash,
    list_runs,
    load_run,
    rename_run,
    restore_run,
    run_path,
    runs_on,
    runs_root,
)
from vae.runs.history import (
    append_history,
    checked_history,
    history_fault,
    history_size,
    read_history,
    read_line,
    split_history,
    truncate_history,
)
from vae.runs.knobs import change_knobs, clear_knobs_leftovers, free_knobs, put_back_knobs, read_knobs
from vae.runs.status import (
    ACTIVE,
    ENDED,
    HEARTBEAT_LIMIT,
    START_LIMIT,
    WAITING,
    Status,
    acquire,
    insist_on_ours,
    is_alive,
    is_locked,
    lock_holds,
    read_status,
    run_lock,
    write_status,
)

__all__ = [
    "ACTIVE", "ENDED", "FORMAT", "HEARTBEAT_LIMIT", "START_LIMIT", "STATE", "TRASH", "WAITING", "WEIGHTS", "Run",
    "Status", "acquire", "append_history", "change_knobs", "check_free_disk", "check_known", "checked_history",
    "clean_name", "clear_knobs_leftovers", "content_hash", "create_run", "damaged", "delete_run", "empty_trash",
    "free_knobs", "history_fault", "history_size", "insist_on_ours", "is_alive", "is_locked", "is_shipped",
    "list_runs", "load_run", "lock_holds", "mark_as_shipped", "put_back_knobs", "read_checked", "read_config",
    "read_file", "read_history", "read_knobs", "read_line", "read_status", "rename_run", "replace_config",
    "restore_run", "run_lock", "run_path", "runs_on", "runs_root", "save_checked", "split_history",
    "truncate_history", "write_status",
]  # fmt: skip
