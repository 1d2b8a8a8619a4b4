"""What a training job leaves behind: ``tournament.json`` inside its ``output.tar.gz``.

The job's container is trusted less than this function: sizes are bounded, nothing is unpacked to disk, and the content
is validated.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_ARCHIVE_BYTES = 8 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
RESULT = "tournament.json"


class ResultsError(ValueError):
    """The job's results cannot be read. Trying again would not help."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class TournamentDataset(_Part):
    """Sample counts and times of the dataset as the job read it."""

    samples: int
    duplicates: int
    thinned: int | None = None
    train: int
    recent_train: int
    test: int
    split_at: AwareDatetime | None = None
    oldest: AwareDatetime | None = None
    newest: AwareDatetime | None = None


class TournamentCandidate(_Part):
    """One trained candidate. Numbers are as the job wrote them; the gate checks whether they are finite."""

    name: str
    algorithm: str
    trained_on: Literal["all", "recent", "continued"]
    model: str
    rmse: float | None
    expected_error: float | None = None
    seconds: float | None = None
    error: str | None = None
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


class TournamentChampion(_Part):
    """The champion on this round's test set."""

    model: str
    rmse: float | None
    error: str | None = None


class TournamentComparison(_Part):
    """The winner against the champion or the baseline, paired on the test set."""

    against: Literal["champion", "baseline"]
    model: str | None = None
    mean_gain: float
    standard_error: float
    confidence: float
    significant: bool


class Tournament(_Part):
    """The whole result. Errors are root mean squares in the target's unit."""

    round: str
    schema_hash: str
    dataset: TournamentDataset
    baseline_rmse: float | None
    champion: TournamentChampion | None
    candidates: tuple[TournamentCandidate, ...]
    winner: str | None
    comparison: TournamentComparison | None = None
    seconds: float

    def candidate(self, name: str | None) -> TournamentCandidate | None:
        """The candidate called ``name``."""
        return next((candidate for candidate in self.candidates if candidate.name == name), None)


def output_uri(output_path: str, job: str) -> str:
    """The S3 URI of a job's results, below the output path that the job was given."""
    return f"{output_path.rstrip('/')}/{job}/output/output.tar.gz"


def fetch(s3: S3Client, uri: str, *, round_name: str) -> Tournament:
    """Read a round's results at an S3 URI. Raises ``ResultsError``; errors of S3 other than absence pass through."""
    bucket, key = urlsplit(uri).netloc, urlsplit(uri).path.lstrip("/")
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        raise ResultsError(f"the job left no {key}") from None
    if answer["ContentLength"] > MAX_ARCHIVE_BYTES:
        raise ResultsError(f"{key} has {answer['ContentLength']} bytes, at most {MAX_ARCHIVE_BYTES}")
    tournament = read(answer["Body"].read())
    if tournament.round != round_name:
        raise ResultsError(f"these are the results of the round {tournament.round}")
    return tournament


def read(archive: bytes) -> Tournament:
    """Read the results in a ``.tar.gz``. Raises ``ResultsError``."""
    try:
        text = _result(archive)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ResultsError(f"the output is no readable .tar.gz: {error}") from error
    try:
        return Tournament.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ResultsError(f"{RESULT} breaks its contract at {place or 'the top'}: {first['msg']}") from error


def _result(archive: bytes) -> bytes:
    unpacked = 0
    # Streamed, so that sizes are checked before content is inflated.
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as tar:
        for member in tar:
            unpacked += member.size
            if unpacked > MAX_UNPACKED_BYTES:
                raise ResultsError(f"the output unpacks to more than {MAX_UNPACKED_BYTES} bytes")
            if member.name.removeprefix("./") != RESULT or not member.isfile():
                continue
            if member.size > MAX_RESULT_BYTES:
                raise ResultsError(f"{RESULT} has {member.size} bytes, at most {MAX_RESULT_BYTES}")
            content = tar.extractfile(member)
            if content is not None:
                return content.read()
    raise ResultsError(f"the output has no {RESULT}")
