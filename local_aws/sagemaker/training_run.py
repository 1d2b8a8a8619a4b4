"""Runs a training job in a thread: download, install, train, upload."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.sagemaker import arguments, channels, entrypoint, environment, input_config, source_archive
from local_aws.sagemaker.environment import Folders
from local_aws.sagemaker.errors import ApiError, JobError
from local_aws.sagemaker.log_stream import LogStream
from local_aws.sagemaker.process import LOW_PRIORITY, Process
from local_aws.sagemaker.role_access import RoleAccess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local_aws.sagemaker.training_job import TrainingJob
    from local_aws.sagemaker.training_request import TrainingPlan

logger = logging.getLogger("local_aws.sagemaker")

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
STOP_GRACE_SECONDS = 120.0
"""How long a script may take to end after SIGTERM.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
"""


class _EndedEarlyError(Exception):
    """The job was stopped or exceeded its runtime; the argument is its last secondary status."""


class TrainingRun:
    """Runs ``job`` as ``plan`` says; ``on_change`` is called after each change of its status."""

    def __init__(self, job: TrainingJob, plan: TrainingPlan, *, region: str, on_change: Callable[[], None]) -> None:
        self._job, self._plan, self._region, self._on_change = job, plan, region, on_change
        self._python = os.environ["LOCAL_AWS_IMAGE_PYTHON"]
        self._container = Path(tempfile.mkdtemp(prefix="sagemaker-training-"))
        self._folders = Folders(self._container / "ml")
        self._site = self._container / "site"
        self._deadline = 0.0

    def run(self) -> None:
        """Run the job up to a terminal status. Never raises: an error becomes the job's ``FailureReason``."""
        last, reason = "Completed", None
        try:
            last = self._run_steps()
        except JobError as error:
            last, reason = "Failed", str(error)
        except ApiError as error:
            last, reason = "Failed", f"ClientError: {error.message}"
        except Exception:
            logger.exception("training job %s", self._job.name)
            last, reason = "Failed", "InternalServerError: We encountered an internal error. See the log of local_aws."
        finally:
            shutil.rmtree(self._container, ignore_errors=True)
        self._enter(last, reason)

    def _run_steps(self) -> str:
        """Run all steps with the role's permissions; returns the last secondary status."""
        access = RoleAccess(self._job.request["RoleArn"], self._job.arn)
        log = LogStream(access.logs, LOG_GROUP, f"{self._job.name}/{input_config.HOST}-{int(time.time())}")
        try:
            self._download(access)
            self._enter("Training")
            last = self._train(log)
            self._enter("Uploading")
            self._upload(access, with_model=True)
        except _EndedEarlyError as ended:
            return str(ended)
        except JobError as error:
            log.write(str(error))
            self._upload_output(access)
            raise
        finally:
            log.close()
        return last

    def _download(self, access: RoleAccess) -> None:
        for folder in (self._folders.input_data, self._folders.model, self._folders.output, self._container / "tmp"):
            folder.mkdir(parents=True)
        input_config.write(self._folders.input_config, self._job.request)
        self._enter("Downloading")
        self._deadline = time.monotonic() + self._plan.max_runtime_seconds
        for channel in self._plan.channels:
            access.download_channel(channel, self._folders.input_data / channel.name)
            self._raise_if_ended()
        if self._plan.entrypoint:
            entrypoint.rewrite_scripts(self._folders)
        else:
            self._place_code(access)

    def _place_code(self, access: RoleAccess) -> None:
        """In script mode, download the code and make it installable."""
        directory = self._plan.submit_directory
        if not directory.startswith("s3://"):
            source_archive.place_code(Path(self._folders.to_local(directory)), self._folders.code)
        elif self._plan.isolated:
            raise JobError(
                f"AlgorithmError: framework error: {directory} cannot be downloaded: the job is network-isolated"
            )
        else:
            archive = self._container / "sourcedir.tar.gz"
            access.download(channels.parse_location(directory, "sagemaker_submit_directory"), archive)
            source_archive.place_code(archive, self._folders.code)
        if not (self._folders.code / self._plan.program).is_file():
            raise JobError(
                f"AlgorithmError: framework error: there is no {self._plan.program} at the root of {directory}"
            )
        source_archive.make_installable(self._folders.code, self._plan.program)

    def _train(self, log: LogStream) -> str:
        """Run the container's command; returns the secondary status that follows."""
        try:
            if self._plan.entrypoint:
                self._run_entrypoint(log.write)
            else:
                self._run_script(log.write)
        except _EndedEarlyError as ended:
            return str(ended)
        return "Completed"

    def _run_entrypoint(self, read: Callable[[str], None]) -> None:
        """Run the container's own command; its failure reason is the file that it wrote."""
        job_variables = environment.for_job(job=self._job.name, arn=self._job.arn, region=self._region)
        job_variables["PATH"] = entrypoint.search_path(self._python)
        variables = environment.for_process(self._folders, self._site, job_variables | self._plan.environment)
        code = self._execute(entrypoint.command(self._plan.entrypoint, self._folders), self._container, variables, read)
        if code != 0:
            raise JobError(entrypoint.failure(self._folders, code))

    def _run_script(self, read: Callable[[str], None]) -> None:
        """Install the code and run the script, as the image's toolkit does."""
        values = environment.for_training(
            self._folders,
            job=self._job.name,
            arn=self._job.arn,
            region=self._region,
            hyperparameters=self._plan.hyperparameters,
            input_data=self._job.request.get("InputDataConfig") or [],
            instance_type=str(self._job.request["ResourceConfig"].get("InstanceType", "")),
        )
        variables = environment.for_process(self._folders, self._site, values | self._plan.environment)
        module = self._plan.program.removesuffix(".py")
        script = arguments.command_line(arguments.for_script(self._plan.hyperparameters))
        steps = (
            ("InstallModuleError", source_archive.install_command(self._python, self._folders.code, self._site)),
            ("ExecuteUserScriptError", [self._python, "-m", module, *script]),
        )
        # The toolkit logs its whole environment, in which a metric's regular expression may match.
        for line in f"Training Env:\n{json.dumps(values, indent=1)}".splitlines():
            read(line)
        for failure, command in steps:
            read(f"Invoking script with the following command: {shlex.join(command)}")
            code = self._execute(command, self._folders.code, variables, read)
            if code != 0:
                # the image's toolkit writes this to /opt/ml/output/failure, even over the script's own file
                text = f'{failure}:\nCommand "{" ".join(["python", *command[1:]])}"'
                (self._folders.output / "failure").write_text(text, encoding="utf-8")
                raise JobError(f"AlgorithmError: {text}, exit code: {code}")

    def _execute(
        self, command: Sequence[str], folder: Path, variables: dict[str, str], read: Callable[[str], None]
    ) -> int:
        """Run a command in ``folder``; returns its exit code. Raises ``_EndedEarlyError`` if the job must end."""
        process = Process(command, folder=folder, environment=variables, on_line=read, niceness=LOW_PRIORITY)
        while (code := process.wait(0.25)) is None:
            try:
                self._raise_if_ended()
            except _EndedEarlyError:
                process.stop(STOP_GRACE_SECONDS)
                raise
        self._raise_if_ended()  # a stop that was requested meanwhile counts
        return code if code >= 0 else 128 - code

    def _raise_if_ended(self) -> None:
        if self._job.stop_requested.is_set():
            raise _EndedEarlyError("Stopped")
        if time.monotonic() > self._deadline:
            raise _EndedEarlyError("MaxRuntimeExceeded")

    def _upload_output(self, access: RoleAccess) -> None:
        """After a failure, upload the output data without the model, if the role allows it."""
        try:
            self._upload(access, with_model=False)
        except JobError as error:
            logger.warning("training job %s: %s", self._job.name, error)

    def _upload(self, access: RoleAccess, *, with_model: bool) -> None:
        target = self._plan.output
        prefix = f"{target.key.rstrip('/')}/{self._job.name}/output".lstrip("/")
        uploads = [("model", self._folders.model)] if with_model else []
        if self._folders.output_data.is_dir() and any(self._folders.output_data.iterdir()):
            uploads.append(("output", self._folders.output_data))
        for name, folder in uploads:
            archive = self._container / f"{name}.tar.gz"
            with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
                for path in sorted(folder.iterdir()):
                    packed.add(path, arcname=path.name)
            location = channels.Location(target.bucket, f"{prefix}/{archive.name}")
            access.upload(archive, location, self._plan.output_key)
            if name == "model":
                self._job.artifacts = str(location)

    def _enter(self, secondary: str, reason: str | None = None) -> None:
        self._job.enter(secondary, failure_reason=reason)
        self._on_change()
