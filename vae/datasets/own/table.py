"""Pictures in parquet: a column of bytes, or of {bytes, path} as `datasets` of Hugging Face writes it, a label beside.

Read a batch of rows at a time; what the file's footer says of its row groups is judged before any is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from vae.datasets.own.entries import PARTS, Entry, Found, Item, Part
from vae.errors import DataError

IMAGES, LABELS = (
    ("image", "img", "images", "picture", "png", "jpg", "jpeg", "bytes"),
    ("label", "labels", "class", "y", "target"),
)
SPLITS, NAMES = ("split", "part"), ("file_name", "filename", "file", "path", "name", "id")
BATCH = 64  # rows
MOST_ROWS = 500_000
MOST_GROUP = 2**30  # bytes of one row group, once they are expanded
MOST_CLASSES = 1000


def in_tables(items: Sequence[Item], name: str = "") -> Found:
    """Finds the pictures of parquet files that belong together. Raises DataError."""
    columns = [_columns(item) for item in items]
    rows = sum(one["rows"] for one in columns)
    if rows > MOST_ROWS:
        raise DataError(f"{items[0].name}: {rows:,} rows are too many; at most {MOST_ROWS:,}")
    several = len(items) > 1

    def entries() -> Iterator[Entry]:
        for item, known in zip(items, columns, strict=True):
            prefix = f"{item.name}, " if several else ""
            part = next((PARTS[word] for word in _words(item.name) if word in PARTS), None) if several else None
            yield from _rows(item, known, prefix, part)

    title = name or PurePosixPath(items[0].name).stem
    return Found(title, entries, rows)


def _words(name: str) -> list[str]:
    return PurePosixPath(name).stem.lower().replace("_", "-").split("-") + list(PurePosixPath(name.lower()).parts)


def _columns(item: Item) -> dict[str, Any]:
    """Which columns are what, by the schema and the footer alone."""
    with _parquet(item) as file:
        schema, footer = file.schema_arrow, file.metadata
        image = _image_column(item, schema)
        plain = {field.name: field.type for field in schema}
        label = next((name for name in LABELS if name in plain and _is_label(plain[name])), None)
        split = next((name for name in SPLITS if name in plain and _is_text(plain[name])), None)
        named = next((name for name in NAMES if name in plain and name != image and _is_text(plain[name])), None)
        wanted = [name for name in (image, label, split, named) if name]
        _judge(item, footer)
        classes = _class_names(schema, label)
    return {
        "rows": footer.num_rows, "image": image, "label": label, "split": split, "named": named,
        "wanted": wanted, "classes": classes,
    }  # fmt: skip


def _parquet(item: Item) -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{item.name}: reading parquet needs pyarrow; pip install pyarrow") from None
    limit = 2**26
    try:
        return pyarrow.parquet.ParquetFile(
            item.location, thrift_string_size_limit=limit, thrift_container_size_limit=limit
        )
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{item.name}: cut off, damaged or no parquet ({_reason(error)}); write it again") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _image_column(item: Item, schema: Any) -> str:
    import pyarrow.types as kinds

    def holds(kind: Any) -> bool:
        if kinds.is_struct(kind):
            return any(kind.field(i).name == "bytes" and holds(kind.field(i).type) for i in range(kind.num_fields))
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    found = [field.name for field in schema if holds(field.type)]
    if not found:
        raise DataError(
            f"{item.name}: expected a column of PNG or JPEG bytes, or of {{bytes, path}}, got "
            f"{', '.join(f'{field.name} ({str(field.type)[:30]})' for field in list(schema)[:8]) or 'none'}"
        )
    return str(next((name for name in IMAGES if name in found), found[0]))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(
        kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or (kinds.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _is_label(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_integer(kind) or kinds.is_boolean(kind) or _is_text(kind))


def _class_names(schema: Any, label: str | None) -> list[str] | None:
    """The names that `datasets` keeps of a ClassLabel column."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        names = about["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    good = isinstance(names, list) and len(names) <= MOST_CLASSES and all(isinstance(name, str) for name in names)
    return names if good else None


def _judge(item: Item, footer: Any) -> None:
    """By row groups alone: a damaged description of a column ends the process, in pyarrow's own hands."""
    for g in range(footer.num_row_groups):
        expanded = footer.row_group(g).total_byte_size
        if expanded > MOST_GROUP:
            raise DataError(
                f"{item.name}: row group {g} takes {expanded / 2**30:,.1f} GiB; write it with smaller row groups, "
                "row_group_size=1000"
            )
    if footer.num_rows < 0:
        raise DataError(f"{item.name}: its footer counts {footer.num_rows:,} rows: it is damaged; write it again")


def _rows(item: Item, known: dict[str, Any], prefix: str, part: Part | None) -> Iterator[Entry]:
    import pyarrow

    at = 0
    with _parquet(item) as file:
        try:
            for batch in file.iter_batches(BATCH, columns=known["wanted"]):
                for row in batch.to_pylist():
                    yield _entry(row, known, f"{prefix}row {at}", part)
                    at += 1
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{item.name}: damaged after row {at:,} ({_reason(error)}); write it again") from None


def _entry(row: dict[str, Any], known: dict[str, Any], place: str, part: Part | None) -> Entry:
    value: Any = row[known["image"]]
    path: Any = None
    if isinstance(value, dict):
        value, path = value.get("bytes"), value.get("path")
    name = row.get(known["named"]) if known["named"] else path
    label = row.get(known["label"]) if known["label"] else None
    classes = known["classes"]
    if classes is not None and isinstance(label, int) and 0 <= label < len(classes):
        label = classes[label]
    split = known["split"]
    own = PARTS.get(str(row.get(split)).lower()) if split else part
    whole = f"{name}, {place}" if isinstance(name, str) and name else place
    return Entry(whole, _reader(value), None if label is None else str(label), own)


def _reader(value: Any) -> Callable[[], bytes]:
    def read() -> bytes:
        if not isinstance(value, bytes) or not value:
            raise DataError("picture: the row holds no bytes")
        return value

    return read
