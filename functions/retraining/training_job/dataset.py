"""From a round's manifest to rows in order of time, split into what is learnt from and what decides."""

from __future__ import annotations

import gzip
import io
import json
import logging
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

DESCRIPTION = "dataset.json"
BATCH_BYTES = 16 * 1024 * 1024
"""Text that is parsed at once: many small objects together, and of a large dataset never more than a part."""


class DatasetError(ValueError):
    """The dataset is not what its description says, or there is nothing to learn from or to test on."""


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What ``dataset.json`` says. ``row`` are the columns of a stored row; ``baseline`` is a feature or a number;
    ``bounds`` are the smallest and the largest that the target may be, ``integers`` the target and features that are
    whole numbers.

    ``recent_since`` (UTC) is where the recent part begins, or None if all is recent; ``champion`` is the name of the
    model to beat, if there is one. ``objects`` and ``size`` (bytes) are what the manifest names in total, and
    ``maximum_samples`` how many of the rows in them may be used (None: all).
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
    size: int
    champion: str | None
    maximum_samples: int | None = None


def read_dataset_spec(folder: Path) -> DatasetSpec:
    """Read the channel that holds ``dataset.json``. Raises ``DatasetError``."""
    try:
        told: dict[str, Any] = json.loads((folder / DESCRIPTION).read_bytes())
        schema, objects = told["schema"], told["objects"]
        description = DatasetSpec(
            round=told["round"],
            stamp=told["stamp"],
            schema_hash=schema["hash"],
            schema_version=int(schema["version"]),
            target=schema["target"]["name"],
            bounds=(float(schema["target"]["minimum"]), float(schema["target"]["maximum"])),
            features=tuple(feature["name"] for feature in schema["features"]),
            integers=frozenset(
                one["name"] for one in (schema["target"], *schema["features"]) if one["type"] == "integer"
            ),
            baseline=schema["baseline"],
            row=tuple(schema["row"]),
            recent_since=None if told["recent_since"] is None else _instant(told["recent_since"]),
            test_fraction=float(told["test_fraction"]),
            objects=len(objects),
            size=sum(int(one["size"]) for one in objects),
            champion=told["champion"],
            maximum_samples=None if told.get("maximum_samples") is None else int(told["maximum_samples"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{DESCRIPTION} cannot be read: {type(error).__name__}: {error}") from error
    if not 0 < description.test_fraction < 1:
        raise DatasetError(f"{DESCRIPTION}: test_fraction is {description.test_fraction}, not between 0 and 1")
    if description.maximum_samples is not None and description.maximum_samples < 2:
        raise DatasetError(f"{DESCRIPTION}: maximum_samples is {description.maximum_samples}, at least 2 are needed")
    return description


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
    """``train`` is all that is older than ``test``, ``recent_train`` its recent part.

    ``duplicates`` were dropped; ``thinned`` are the samples that were left out because there were too many.
    """

    train: Rows
    recent_train: Rows
    test: Rows
    duplicates: int
    thinned: int

    @property
    def older_train(self) -> Rows:
        """What of ``train`` is older than its recent part."""
        return self.train.slice(0, len(self.train) - len(self.recent_train))

    @property
    def has_recent_part(self) -> bool:
        """Whether the recent part leaves anything out, and anything to learn from."""
        return 0 < len(self.recent_train) < len(self.train)

    def summary(self) -> dict[str, int | str]:
        """What the round's record says of its dataset: rows by part, and the times (ISO 8601, UTC) of its ends."""
        return {
            "samples": len(self.train) + len(self.test),
            "duplicates": self.duplicates,
            "thinned": self.thinned,
            "train": len(self.train),
            "recent_train": len(self.recent_train),
            "test": len(self.test),
            "split_at": _iso(self.test.recorded_at[0]),
            "oldest": _iso(self.train.recorded_at[0]),
            "newest": _iso(self.test.recorded_at[-1]),
        }


def read_dataset(folder: Path, description: DatasetSpec) -> Dataset:
    """Read all objects under the channel's folder, however deep they lie there. Raises ``DatasetError``."""
    batches = [_parse(text, description) for text in _texts(folder, description)]
    if not batches:
        raise DatasetError("the dataset is empty")
    return split(*_in_order(batches, description.maximum_samples), description)


def split(rows: Rows, duplicates: int, thinned: int, description: DatasetSpec) -> Dataset:
    """Split rows in order of time: the newest share of the recent part is the test set. Raises ``DatasetError``.

    Samples of the same millisecond stay together, in the test set.
    """
    since = description.recent_since
    first_recent = 0 if since is None else int(np.searchsorted(rows.recorded_at, since))
    if first_recent == len(rows):
        raise DatasetError(f"none of {len(rows)} samples is as recent as {since}")
    wanted = max(1, round((len(rows) - first_recent) * description.test_fraction))
    first_test = int(np.searchsorted(rows.recorded_at, rows.recorded_at[len(rows) - wanted]))
    if len(rows) - first_test < 2:
        raise DatasetError(f"one of {len(rows)} samples is the whole test set")
    if first_test == 0:
        raise DatasetError(f"all {len(rows)} samples belong to the test set, none is older")
    return Dataset(
        train=rows.slice(0, first_test),
        recent_train=rows.slice(min(first_recent, first_test), first_test),
        test=rows.slice(first_test, len(rows)),
        duplicates=duplicates,
        thinned=thinned,
    )


def _texts(folder: Path, description: DatasetSpec) -> Iterator[bytes]:
    """The text of all objects, some at a time.

    Where SageMaker puts a manifest's objects is not documented, so the folder is walked.
    """
    paths = sorted(path for path in folder.rglob("*.gz") if path.is_file())
    size = sum(path.stat().st_size for path in paths)
    if (len(paths), size) != (description.objects, description.size):
        raise DatasetError(
            f"{len(paths)} objects of {size} bytes were delivered; {DESCRIPTION} names {description.objects} of"
            f" {description.size} bytes"
        )
    texts: list[bytes] = []
    waiting = others = found = 0
    for path in paths:
        text, left_out = _text(path, description)
        texts.append(text)
        waiting += len(text)
        found += len(text)
        others += left_out
        if waiting >= BATCH_BYTES:
            yield b"".join(texts)
            texts, waiting = [], 0
    if waiting:
        yield b"".join(texts)
    if others:
        log.info("%d rows of another version of the schema were left out", others)
        if not found:
            raise DatasetError(f"none of {others} rows is of the schema's version {description.schema_version}")


def _text(path: Path, description: DatasetSpec) -> tuple[bytes, int]:
    """The rows of an object, and how many were left out."""
    try:
        text = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path.name} is damaged: {error}") from error
    if text and not text.endswith(b"\n"):
        text += b"\n"
    lines = text.count(b"\n")
    text = _of_version(text, lines, description.schema_version)
    kept, cells = text.count(b"\n"), len(description.row)
    # No cell of a row holds a comma or a newline. A missing one would shift every column after it.
    if text.count(b",") != kept * (cells - 1):
        raise DatasetError(f"{path.name} holds rows that have not {cells} cells")
    return text, lines - kept


def _of_version(text: bytes, lines: int, version: int) -> bytes:
    """The rows that were validated under this version of the schema: those of another mean something else."""
    end = f",{version}\n".encode()
    if text.count(end) == lines:
        return text
    return b"".join(line for line in text.splitlines(keepends=True) if line.endswith(end))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows as they lie in their objects. ``identity`` (rows,): a hash of the sample's id, the same in every job."""

    rows: Rows
    identity: NDArray[np.uint64]


def _parse(text: bytes, description: DatasetSpec) -> _Batch:
    """The columns that matter; the others are not even converted."""
    try:
        try:
            # whole numbers are read twice as fast as what they are turned into
            table = _table(text, description, description.integers)
        except ValueError:
            table = _table(text, description, frozenset())
        moments = pd.to_datetime(table["recorded_at"], format="ISO8601", utc=True)
    except ValueError as error:
        raise DatasetError(f"a row is not as the validator writes it: {error}") from error
    rows = Rows(
        features=np.ascontiguousarray(table[list(description.features)].to_numpy(np.float64)),
        target=table[description.target].to_numpy(np.float64),
        recorded_at=moments.dt.tz_localize(None).to_numpy("datetime64[ms]"),
    )
    if not (np.isfinite(rows.features).all() and np.isfinite(rows.target).all()):
        raise DatasetError("a row is not as the validator writes it: a number is not finite")
    identity = pd.util.hash_array(table["sample_id"].to_numpy(object), categorize=False)
    return _Batch(rows, identity.astype(np.uint64))


def _table(text: bytes, description: DatasetSpec, integers: frozenset[str]) -> pd.DataFrame:
    numbers = [description.target, *description.features]
    with np.errstate(invalid="ignore"):  # what is no whole number is raised, and need not be warned of
        return pd.read_csv(
            io.BytesIO(text),
            header=None,
            names=list(description.row),
            usecols=[*numbers, "sample_id", "recorded_at"],
            dtype={name: np.int64 if name in integers else np.float64 for name in numbers}
            | {"sample_id": str, "recorded_at": str},
            keep_default_na=False,
            float_precision="round_trip",  # exactly the numbers that an answer is asked for with
        )


def _in_order(batches: Sequence[_Batch], maximum: int | None) -> tuple[Rows, int, int]:
    """Rows in order of time, each sample once; then how many copies, and how many samples, were left out.

    Delivery is at least once: of a sample's copies the earliest stays. 64 bits tell samples apart: among ten million,
    the odds that any two are taken for one are 1 to 300,000, and then one sample is missing.
    """
    moments = np.concatenate([batch.rows.recorded_at for batch in batches])
    identity = np.concatenate([batch.identity for batch in batches])
    order = np.argsort(moments, kind="stable")
    _, first = np.unique(identity[order], return_index=True)
    order = order[np.sort(first)]
    left = order[select_rows(identity[order], maximum)]
    rows = Rows(
        features=np.concatenate([batch.rows.features for batch in batches])[left],
        target=np.concatenate([batch.rows.target for batch in batches])[left],
        recorded_at=moments[left],
    )
    return rows, len(moments) - len(order), len(order) - len(left)


def _instant(text: str) -> np.datetime64:
    """An ISO 8601 time with its offset, in UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ms")


def _iso(moment: np.datetime64) -> str:
    return f"{np.datetime_as_string(moment, unit='ms')}Z"
