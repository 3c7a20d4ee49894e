"""Files that hold a model but are no ONNX: known by their first bytes and refused, each with the way to export it."""

from __future__ import annotations

import io
from pathlib import Path

from vae.datasets.zips import DAMAGED, open_zip
from vae.errors import ModelUnreadable

EXPORT = 'torch.onnx.export(network, (x,), "network.onnx", external_data=False)'
MOST_ENTRIES = 10_000  # of an archive's directory


def refuse_folder(path: Path, name: str) -> None:
    """Raises ModelUnreadable where the path is a folder."""
    if path.is_dir():
        raise ModelUnreadable(
            f"{name}: {path.name} is a folder; expected one ONNX file. Folders of saved models hold pickles, which run "
            f"code when they are opened: export the network with {EXPORT}"
        )


def refuse_other(data: bytes, name: str) -> None:
    """Raises ModelUnreadable where the bytes begin as those of another format do."""
    kind = _kind(data)
    if kind:
        raise ModelUnreadable(f"{name}: {kind}; export the network with {EXPORT}")


def _kind(data: bytes) -> str:
    if not data:
        return "the file is empty; expected an ONNX file"
    if data[:4] == b"PK\x03\x04":
        return _archive(data)
    if data[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or data[:11] == b"\x80\x8a\nl\xfc\x9cF\xf9 j":
        return "this is a pickle (as torch.save wrote it once, or joblib): opening it would run code, so it is not read"
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        return "this is an HDF5 file, as Keras writes it; tf2onnx makes an ONNX file of it, with channels first"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        return "this is a safetensors file: weights without the network that they belong to"
    if data[4:8] == b"TFL3":
        return "this is a TensorFlow Lite file, which is not read"
    if data[:64].lstrip().startswith((b"import ", b"from ", b"class ", b"def ", b'"""')):
        return "this is Python code, which a page never runs; `python -m vae open --python FILE:FACTORY` does"
    return ""


def _archive(data: bytes) -> str:
    try:
        with open_zip(io.BytesIO(data), MOST_ENTRIES) as archive:
            names = archive.namelist()
    except DAMAGED:
        names = []
    if any("models/" in one or "serialized_exported_program" in one for one in names):
        return "this is a .pt2 of torch.export: torch.export.load unpickles, which can run code, so it is not read"
    if any("/code/" in one or one.endswith("constants.pkl") for one in names):
        return "this is TorchScript: it holds code, which would run, so it is not read"
    if any(one.endswith(".pkl") for one in names):
        return "this is a pickle of torch.save: opening it would run code, so it is not read"
    if any(one.endswith("config.json") for one in names):
        return "this is a Keras archive; tf2onnx makes an ONNX file of it, with channels first"
    return "this is a zip archive; expected one ONNX file"
