"""A deployment: a new fleet comes up beside the old one, takes its traffic step by step, and is watched at each.

If an alarm of ``AutoRollbackConfiguration`` goes off, all traffic returns to the old fleet. Alarms are read under the
role of the new model, which is what the service does.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker import deployment
from local_aws.sagemaker.errors import ApiError, JobError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.sagemaker.deployment import Deployment, Step
    from local_aws.sagemaker.fleet import Fleet
    from local_aws.sagemaker.hosting_records import Endpoint

logger = logging.getLogger("local_aws.sagemaker")

LOOK_SECONDS = 0.5
"""How often the alarms are looked at while a step is watched."""


class RolledBackError(Exception):
    """The deployment must not go on; the text is the endpoint's ``FailureReason``."""


class Rollout:
    """One deployment of ``fleet``. ``tell`` announces the endpoint's state, ``tell_stage`` a stage of a change."""

    def __init__(
        self,
        endpoint: Endpoint,
        fleet: Fleet,
        plan: Deployment,
        *,
        tell: Callable[[], None],
        tell_stage: Callable[[], None],
    ) -> None:
        self._endpoint, self._fleet, self._plan = endpoint, fleet, plan
        self._tell, self._tell_stage = tell, tell_stage
        self._began = time.monotonic()
        self._started = False

    def run(self) -> None:
        """From the request to the last event. Whatever goes wrong, an endpoint that served goes on serving."""
        endpoint, old = self._endpoint, self._endpoint.fleet
        try:
            if old is not None:
                self._look_first()
                self._enter_stage("Creating", f"Launching {self._plan.instances} instance(s).")
            self._fleet.start()
            self._started = True
            if old is not None:
                for step in deployment.steps(self._plan):
                    self._take(step)
        except RolledBackError as reason:
            self._return(str(reason))
        except (JobError, ApiError) as error:
            self._return(str(error))
        except Exception:
            logger.exception("endpoint %s", endpoint.name)
            self._return("We encountered an internal error. See the emulator's log.")
        else:
            endpoint.switch()
            endpoint.enter("InService")
            self._tell()
            if old is not None:
                self._tell_stage()
                old.stop()

    def _take(self, step: Step) -> None:
        """Give the new fleet its share of the traffic, and watch."""
        size = "full" if step.share == 1.0 else "canary" if self._plan.kind == "CANARY" else "linear"
        capacity = f"{size} capacity of {step.instances} instance(s)"
        self._enter_stage("ActivatingTraffic", f"Activating traffic on {capacity}.")
        self._endpoint.pending_share, self._endpoint.pending_instances = step.share, step.instances
        if not step.wait:
            self._look()
            return
        self._enter_stage("Baking", f"Baking for {step.wait:.0f} seconds with traffic enabled on {capacity}.")
        end = time.monotonic() + step.wait
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
            self._look()

    def _look_first(self) -> None:
        """An alarm that is off already would stop any deployment; so this one does not begin."""
        off = self._off()
        if off:
            raise RolledBackError(
                f"The deployment was not started because of alarm(s) that are in ALARM already: {', '.join(off)}."
            )

    def _look(self) -> None:
        off = self._off()
        if off:
            raise RolledBackError(f"The deployment was rolled back because of alarm(s) in ALARM: {', '.join(off)}.")
        limit = self._plan.timeout
        if limit is not None and time.monotonic() - self._began > limit:
            raise RolledBackError(f"The deployment was rolled back: it took longer than {limit:.0f} seconds.")

    def _off(self) -> list[str]:
        """Those of the alarms that are in ALARM. Raises ``RolledBackError`` if they cannot be watched."""
        wanted = list(self._plan.alarms)
        if not wanted:
            return []
        try:
            answer = self._fleet.access().alarms.describe_alarms(AlarmNames=wanted)
        except (ClientError, BotoCoreError) as error:
            raise RolledBackError(f"The alarms {', '.join(wanted)} cannot be read: {error}") from error
        found: dict[str, Any] = {
            alarm["AlarmName"]: alarm for kind in ("MetricAlarms", "CompositeAlarms") for alarm in answer.get(kind, [])
        }
        missing = [name for name in wanted if name not in found]
        if missing:
            raise RolledBackError(f"The alarm(s) {', '.join(missing)} do not exist.")
        return [name for name in wanted if found[name]["StateValue"] == "ALARM"]

    def _return(self, reason: str) -> None:
        """An endpoint that served before goes on with what it had; one that never did has failed."""
        endpoint = self._endpoint
        served = endpoint.fleet is not None
        if served:
            endpoint.enter("RollingBack")
            endpoint.pending_share = 0.0
            self._enter_stage("Deleting", f"Terminating {self._plan.instances} instance(s).")
            self._tell()
        endpoint.pending, endpoint.pending_share = None, 0.0
        if self._started:
            self._fleet.stop()
        endpoint.enter("InService" if served else "Failed", failure_reason=reason)
        self._tell()

    def _enter_stage(self, status: str, message: str) -> None:
        self._endpoint.stage = (status, message, time.time())
        self._tell_stage()
