"""Carries out a deployment: starts a new fleet beside the old one and moves the traffic to it step by step.

If an alarm of ``AutoRollbackConfiguration`` is in ALARM, all traffic returns to the old fleet. Alarms are read with the
role of the new model.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
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

ALARM_CHECK_SECONDS = 0.5
"""The interval between checks of the alarms during a step."""


class RolledBackError(Exception):
    """The deployment must be rolled back; the text is the endpoint's ``FailureReason``."""


class Rollout:
    """A deployment of ``fleet``; ``on_state`` and ``on_stage`` report changes of the endpoint's state and stage."""

    def __init__(
        self,
        endpoint: Endpoint,
        fleet: Fleet,
        plan: Deployment,
        *,
        on_state: Callable[[], None],
        on_stage: Callable[[], None],
    ) -> None:
        self._endpoint, self._fleet, self._plan = endpoint, fleet, plan
        self._on_state, self._on_stage = on_state, on_stage
        self._started_at = time.monotonic()
        self._has_started = False

    def run(self) -> None:
        """Run the deployment to its end. If it fails, an endpoint that served before continues to serve."""
        endpoint, old = self._endpoint, self._endpoint.fleet
        try:
            if old is not None:
                self._check_alarms_before()
                self._enter_stage("Creating", f"Launching {self._plan.instances} instance(s).")
            self._fleet.start()
            self._has_started = True
            if old is not None:
                for step in deployment.steps(self._plan):
                    self._shift_traffic(step)
        except RolledBackError as reason:
            self._roll_back(str(reason))
        except (JobError, ApiError) as error:
            self._roll_back(str(error))
        except Exception:
            logger.exception("endpoint %s", endpoint.name)
            self._roll_back("We encountered an internal error. See the log of local_aws.")
        else:
            endpoint.promote_pending()
            endpoint.enter("InService")
            self._on_state()
            if old is not None:
                self._on_stage()
                old.stop()

    def _shift_traffic(self, step: Step) -> None:
        """Give the new fleet its share of the traffic, and check the alarms until the step's end."""
        size = "full" if step.share == 1.0 else "canary" if self._plan.kind == "CANARY" else "linear"
        capacity = f"{size} capacity of {step.instances} instance(s)"
        self._enter_stage("ActivatingTraffic", f"Activating traffic on {capacity}.")
        self._endpoint.pending_share, self._endpoint.pending_instances = step.share, step.instances
        if not step.wait:
            self._check_alarms()
            return
        self._enter_stage("Baking", f"Baking for {step.wait:.0f} seconds with traffic enabled on {capacity}.")
        end = time.monotonic() + step.wait
        while (remaining := end - time.monotonic()) > 0:
            time.sleep(min(ALARM_CHECK_SECONDS, remaining))
            self._check_alarms()

    def _check_alarms_before(self) -> None:
        """Raise ``RolledBackError`` if an alarm is in ALARM before the deployment."""
        active = self._find_active_alarms()
        if active:
            raise RolledBackError(
                f"The deployment was not started because of alarm(s) that are in ALARM already: {', '.join(active)}."
            )

    def _check_alarms(self) -> None:
        active = self._find_active_alarms()
        if active:
            raise RolledBackError(f"The deployment was rolled back because of alarm(s) in ALARM: {', '.join(active)}.")
        limit = self._plan.timeout
        if limit is not None and time.monotonic() - self._started_at > limit:
            raise RolledBackError(f"The deployment was rolled back: it took longer than {limit:.0f} seconds.")

    def _find_active_alarms(self) -> list[str]:
        """The names of the alarms in ALARM. Raises ``RolledBackError`` if they cannot be read."""
        names = list(self._plan.alarms)
        if not names:
            return []
        try:
            response = self._fleet.access().alarms.describe_alarms(AlarmNames=names)
        except (ClientError, BotoCoreError) as error:
            raise RolledBackError(f"The alarms {', '.join(names)} cannot be read: {error}") from error
        alarms: dict[str, Any] = {
            alarm["AlarmName"]: alarm
            for kind in ("MetricAlarms", "CompositeAlarms")
            for alarm in response.get(kind, [])
        }
        missing = [name for name in names if name not in alarms]
        if missing:
            raise RolledBackError(f"The alarm(s) {', '.join(missing)} do not exist.")
        return [name for name in names if alarms[name]["StateValue"] == "ALARM"]

    def _roll_back(self, reason: str) -> None:
        """Keep the old fleet, or set the status Failed if there is none."""
        endpoint = self._endpoint
        served = endpoint.fleet is not None
        if served:
            endpoint.enter("RollingBack")
            endpoint.pending_share = 0.0
            self._enter_stage("Deleting", f"Terminating {self._plan.instances} instance(s).")
            self._on_state()
        endpoint.pending, endpoint.pending_share = None, 0.0
        if self._has_started:
            self._fleet.stop()
        endpoint.enter("InService" if served else "Failed", failure_reason=reason)
        self._on_state()

    def _enter_stage(self, status: str, message: str) -> None:
        self._endpoint.stage = (status, message, time.time())
        self._on_stage()
