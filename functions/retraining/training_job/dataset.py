"""Reading a round's dataset: from the manifest's objects to rows in order of time, split for training and test."""

from __future__ import annotations

import gzip
import io
import json
import logging
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .downsampling import select_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SPEC_FILE = "dataset.json"
BATCH_BYTES = 16 * 1024 * 1024
"""Uncompressed text that is parsed at once: many small objects together, but only a part of a large dataset."""
_OPTIONAL_TIME = r",(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z)?"


class DatasetError(ValueError):
    """The dataset differs from its specification, or has no rows to train or test on."""


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """The content of ``dataset.json``.

    ``row`` are the columns of a stored row; ``baseline`` is a feature's name or a constant; ``bounds`` are the smallest
    and the largest value of the target; ``integers`` are the target and features that are whole numbers.

    ``recent_since`` (UTC) is the start of the recent part, or None if all rows are recent. ``champion`` is the name of
    the model to beat, if there is one. ``objects`` and ``size_bytes`` are the totals of the manifest, and
    ``maximum_samples`` limits the rows that are used (None: all).
    """

    round: str
    stamp: str
    schema_hash: str
    schema_version: int
    target: str
    bounds: tuple[float, float]
    features: tuple[str, ...]
    integers: frozenset[str]
    baseline: str | float
    row: tuple[str, ...]
    recent_since: np.datetime64 | None
    test_fraction: float
    objects: int
    size_bytes: int
    champion: str | None
    maximum_samples: int | None = None

    @property
    def cell_counts(self) -> tuple[int, int]:
        """The numbers of cells of a row of version 0.1.0, which ends with ``schema_version``, and of a complete row."""
        return self.row.index("schema_version") + 1, len(self.row)


def read_dataset_spec(folder: Path) -> DatasetSpec:
    """Read the channel that holds ``dataset.json``. Raises ``DatasetError``."""
    try:
        content: dict[str, Any] = json.loads((folder / SPEC_FILE).read_bytes())
        schema, objects = content["schema"], content["objects"]
        fields = (schema["target"], *schema["features"])
        spec = DatasetSpec(
            round=content["round"],
            stamp=content["stamp"],
            schema_hash=schema["hash"],
            schema_version=int(schema["version"]),
            target=schema["target"]["name"],
            bounds=(float(schema["target"]["minimum"]), float(schema["target"]["maximum"])),
            features=tuple(feature["name"] for feature in schema["features"]),
            integers=frozenset(field["name"] for field in fields if field["type"] == "integer"),
            baseline=schema["baseline"],
            row=tuple(schema["row"]),
            recent_since=None if content["recent_since"] is None else _parse_timestamp(content["recent_since"]),
            test_fraction=float(content["test_fraction"]),
            objects=len(objects),
            size_bytes=sum(int(stored["size"]) for stored in objects),
            champion=content["champion"],
            maximum_samples=None if content.get("maximum_samples") is None else int(content["maximum_samples"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{SPEC_FILE} cannot be read: {type(error).__name__}: {error}") from error
    if not 0 < spec.test_fraction < 1:
        raise DatasetError(f"{SPEC_FILE}: test_fraction is {spec.test_fraction}, not between 0 and 1")
    if spec.maximum_samples is not None and spec.maximum_samples < 2:
        raise DatasetError(f"{SPEC_FILE}: maximum_samples is {spec.maximum_samples}, at least 2 are needed")
    return spec


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples in order of time: ``features`` (rows, features), ``target`` (rows,), ``recorded_at`` (rows,) in UTC."""

    features: NDArray[np.float64]
    target: NDArray[np.float64]
    recorded_at: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.target)

    def slice(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` up to ``stop``, without a copy."""
        return Rows(self.features[start:stop], self.target[start:stop], self.recorded_at[start:stop])


@dataclass(frozen=True, slots=True)
class Dataset:
    """``train`` are all rows older than ``test``, and ``recent_train`` is its recent part.

    ``duplicates`` is the number of repeated deliveries that were dropped, ``thinned`` the number of samples left out by
    downsampling.
    """

    train: Rows
    recent_train: Rows
    test: Rows
    duplicates: int
    thinned: int

    @property
    def older_train(self) -> Rows:
        """The part of ``train`` that is older than its recent part."""
        return self.train.slice(0, len(self.train) - len(self.recent_train))

    @property
    def has_recent_part(self) -> bool:
        """Whether ``recent_train`` has rows, but not all of them."""
        return 0 < len(self.recent_train) < len(self.train)

    def summarize(self) -> dict[str, int | str]:
        """What the round's record keeps of its dataset: rows by part, and times (ISO 8601, UTC)."""
        return {
            "samples": len(self.train) + len(self.test),
            "duplicates": self.duplicates,
            "thinned": self.thinned,
            "train": len(self.train),
            "recent_train": len(self.recent_train),
            "test": len(self.test),
            "split_at": _format_timestamp(self.test.recorded_at[0]),
            "oldest": _format_timestamp(self.train.recorded_at[0]),
            "newest": _format_timestamp(self.test.recorded_at[-1]),
        }


def read_dataset(folder: Path, spec: DatasetSpec) -> Dataset:
    """Read all objects in the channel's folder and its subfolders. Raises ``DatasetError``."""
    batches = [_parse(text, spec) for text in _read_batches(folder, spec)]
    if not batches:
        raise DatasetError("the dataset is empty")
    return split(*_sort_and_select(batches, spec.maximum_samples), spec)


def split(rows: Rows, duplicates: int, thinned: int, spec: DatasetSpec) -> Dataset:
    """Split rows in order of time: the newest fraction of the recent part is the test set. Raises ``DatasetError``.

    Samples of the same millisecond are not separated; all of them belong to the test set.
    """
    recent_since = spec.recent_since
    first_recent = 0 if recent_since is None else int(np.searchsorted(rows.recorded_at, recent_since))
    if first_recent == len(rows):
        raise DatasetError(f"none of {len(rows)} samples is as recent as {recent_since}")
    test_rows = max(1, round((len(rows) - first_recent) * spec.test_fraction))
    first_test = int(np.searchsorted(rows.recorded_at, rows.recorded_at[len(rows) - test_rows]))
    if len(rows) - first_test < 2:
        raise DatasetError(f"the test set has one of {len(rows)} samples, at least 2 are needed")
    if first_test == 0:
        raise DatasetError(f"all {len(rows)} samples belong to the test set, none is older")
    return Dataset(
        train=rows.slice(0, first_test),
        recent_train=rows.slice(min(first_recent, first_test), first_test),
        test=rows.slice(first_test, len(rows)),
        duplicates=duplicates,
        thinned=thinned,
    )


def _read_batches(folder: Path, spec: DatasetSpec) -> Iterator[bytes]:
    """The text of all objects, in batches.

    AWS does not document the paths of a manifest's objects inside the channel, so all of its files are read.
    """
    paths = sorted(path for path in folder.rglob("*.gz") if path.is_file())
    size_bytes = sum(path.stat().st_size for path in paths)
    if (len(paths), size_bytes) != (spec.objects, spec.size_bytes):
        raise DatasetError(
            f"{len(paths)} objects of {size_bytes} bytes were delivered; {SPEC_FILE} lists {spec.objects} of"
            f" {spec.size_bytes} bytes"
        )
    texts: list[bytes] = []
    batch_bytes = total_bytes = skipped_rows = 0
    for path in paths:
        text, skipped = _read_object(path, spec)
        texts.append(text)
        batch_bytes += len(text)
        total_bytes += len(text)
        skipped_rows += skipped
        if batch_bytes >= BATCH_BYTES:
            yield b"".join(texts)
            texts, batch_bytes = [], 0
    if batch_bytes:
        yield b"".join(texts)
    if skipped_rows:
        log.info("%d rows of another version of the schema were left out", skipped_rows)
        if not total_bytes:
            raise DatasetError(f"none of {skipped_rows} rows is of the schema's version {spec.schema_version}")


def _read_object(path: Path, spec: DatasetSpec) -> tuple[bytes, int]:
    """The rows of an object under this version of the schema, and the number of other rows."""
    try:
        text = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path.name} is damaged: {error}") from error
    if text and not text.endswith(b"\n"):
        text += b"\n"
    total_rows = text.count(b"\n")
    text, old_rows = _select_version(text, total_rows, spec)
    rows = text.count(b"\n")
    old_cells, cells = spec.cell_counts
    # No cell contains a comma or a newline. A missing cell would shift every column after it.
    if text.count(b",") != old_rows * (old_cells - 1) + (rows - old_rows) * (cells - 1):
        raise DatasetError(f"{path.name} has rows without exactly {cells} cells (or {old_cells}, of version 0.1.0)")
    return text, total_rows - rows


def _select_version(text: bytes, total_rows: int, spec: DatasetSpec) -> tuple[bytes, int]:
    """The rows validated under this version of the schema, and how many of them version 0.1.0 stored.

    Columns may mean something else in another version of the schema, which may have any number of them. The version is
    therefore read from the end: it is the last cell, or followed by times only.
    """
    old_cells, cells = spec.cell_counts
    version = f",{spec.schema_version}"
    old_end = f"{version}\n".encode()
    old_rows = text.count(old_end)
    if old_rows == total_rows:
        return text, old_rows
    end = re.compile(rf"{version}(?:{_OPTIONAL_TIME * (cells - old_cells)})?\n".encode())
    if len(end.findall(text)) == total_rows:
        return text, old_rows
    return b"".join(line for line in text.splitlines(keepends=True) if end.search(line)), old_rows


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows in the order of their objects. ``id_hashes`` (rows,): hashes of the samples' ids, the same in every job."""

    rows: Rows
    id_hashes: NDArray[np.uint64]


def _parse(text: bytes, spec: DatasetSpec) -> _Batch:
    """Parse the columns that training needs."""
    try:
        try:
            # Parsing integers as such is twice as fast as parsing them as floats.
            table = _read_csv(text, spec, spec.integers)
        except ValueError:
            table = _read_csv(text, spec, frozenset())
        recorded_at = pd.to_datetime(table["recorded_at"], format="ISO8601", utc=True)
    except ValueError as error:
        raise DatasetError(f"a row is not as the validator writes it: {error}") from error
    rows = Rows(
        features=np.ascontiguousarray(table[list(spec.features)].to_numpy(np.float64)),
        target=table[spec.target].to_numpy(np.float64),
        recorded_at=recorded_at.dt.tz_localize(None).to_numpy("datetime64[ms]"),
    )
    if not (np.isfinite(rows.features).all() and np.isfinite(rows.target).all()):
        raise DatasetError("a row is not as the validator writes it: a number is not finite")
    id_hashes = pd.util.hash_array(table["sample_id"].to_numpy(object), categorize=False)
    return _Batch(rows, id_hashes.astype(np.uint64))


def _read_csv(text: bytes, spec: DatasetSpec, integers: frozenset[str]) -> pd.DataFrame:
    """Raises ``ValueError`` for a value that is not of its column's type."""
    numbers = [spec.target, *spec.features]
    with np.errstate(invalid="ignore"):  # a value that is no integer raises an error, so the warning is redundant
        return pd.read_csv(
            io.BytesIO(text),
            header=None,
            names=list(spec.row),
            usecols=[*numbers, "sample_id", "recorded_at"],
            dtype={name: np.int64 if name in integers else np.float64 for name in numbers}
            | {"sample_id": str, "recorded_at": str},
            keep_default_na=False,
            float_precision="round_trip",  # the same numbers that an inference request has
        )


def _sort_and_select(batches: Sequence[_Batch], maximum: int | None) -> tuple[Rows, int, int]:
    """Rows in order of time, each sample once and downsampled; then the numbers of duplicates and of samples left out.

    Delivery is at least once; the earliest row of a sample is kept. Samples are identified by 64-bit hashes: among ten
    million samples, the probability that any two have the same hash is 1 in 300,000, and one sample would be lost.
    """
    recorded_at = np.concatenate([batch.rows.recorded_at for batch in batches])
    id_hashes = np.concatenate([batch.id_hashes for batch in batches])
    order = np.argsort(recorded_at, kind="stable")
    _, first_indices = np.unique(id_hashes[order], return_index=True)
    order = order[np.sort(first_indices)]
    selected = order[select_rows(id_hashes[order], maximum)]
    rows = Rows(
        features=np.concatenate([batch.rows.features for batch in batches])[selected],
        target=np.concatenate([batch.rows.target for batch in batches])[selected],
        recorded_at=recorded_at[selected],
    )
    return rows, len(recorded_at) - len(order), len(order) - len(selected)


def _parse_timestamp(text: str) -> np.datetime64:
    """Convert ISO 8601 with an offset to UTC. Raises ``ValueError``."""
    timestamp = datetime.fromisoformat(text)
    if timestamp.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return np.datetime64(timestamp.astimezone(UTC).replace(tzinfo=None), "ms")


def _format_timestamp(timestamp: np.datetime64) -> str:
    return f"{np.datetime_as_string(timestamp, unit='ms')}Z"
