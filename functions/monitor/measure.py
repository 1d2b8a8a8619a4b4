"""Measures stored objects one after the other: reads rows, asks the endpoint, steps the state, writes it once."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_schema import VERSION
from monitor import answers, state_store
from monitor.ledger import has_key
from monitor.serving_lookup import load_serving
from monitor.step import MAX_ROWS, Measures, questions, step
from monitor.stored_rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from monitor.monitor_state import State
    from monitor.serving_models import Serving
    from monitor.settings import Settings
    from rounds import Store


@dataclass(frozen=True, slots=True)
class MonitorContext:
    """Settings, the table's store, and clients."""

    settings: Settings
    store: Store
    s3: S3Client
    runtime: SageMakerRuntimeClient


def measure_objects(keys: Sequence[str], context: MonitorContext) -> list[Measures]:
    """Measure the objects of these keys under ``samples/`` in order, and store the state once at the end.

    Raises ``StateChangedError`` and errors of AWS: nothing is stored then, and the same keys are measured again. Keys
    that are in the ledger change nothing.
    """
    settings = context.settings
    stored = state_store.load(context.s3, settings.bucket)
    serving = load_serving(context.store, settings.endpoint)
    state, measures = stored.state, []
    for key in keys:
        if not has_key(state.ledger, key):
            state, measured = _measure_object(key, state, serving, context)
            measures.append(measured)
    if measures:
        state_store.save(context.s3, settings.bucket, state, stored)
    return measures


def _measure_object(key: str, state: State, serving: Serving, context: MonitorContext) -> tuple[State, Measures]:
    settings, options = context.settings, context.settings.options
    content = gzip.decompress(context.s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read())
    batch = read_rows(key, content, max_rows=MAX_ROWS, schema_version=VERSION)
    asked = questions(state, batch, serving, options)
    found = answers.load_answers(context.s3, settings.bucket, key) if asked else {}
    if found is None:
        found = answers.ask(context.runtime, settings.endpoint, asked)
        answers.store_answers(context.s3, settings.bucket, key, found)
    result = step(state, batch, found, serving, options)
    return result.state, result.measures
