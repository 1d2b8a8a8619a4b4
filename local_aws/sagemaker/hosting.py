"""Operations on models, endpoint configs and endpoints."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import deployment, hosting_records, invocation, listing, state_events
from local_aws.sagemaker.errors import ApiError, invalid
from local_aws.sagemaker.fleet import Fleet
from local_aws.sagemaker.hosting_records import Endpoint, EndpointConfig, Model
from local_aws.sagemaker.names import Scope, parse_name
from local_aws.sagemaker.role_access import require_role
from local_aws.sagemaker.rollout import Rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.sagemaker.state_events import StateEvents
    from local_aws.sagemaker.tags import Tags


class Hosting:
    """All models, endpoint configs and endpoints, by ARN."""

    def __init__(self, tags: Tags, events: StateEvents) -> None:
        self._models: dict[str, Model] = {}
        self._configs: dict[str, EndpointConfig] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._tags, self._state_events = tags, events

    # --- models

    def create_model(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModel."""
        name = parse_name(request, "ModelName")
        arn = scope.arn("model", name)
        if arn in self._models:
            raise invalid(f'Cannot create already existing model "{arn}".')
        role_arn = require_role(request.get("ExecutionRoleArn"), arn)
        container = hosting_records.parse_container(request, role_arn=role_arn, model_arn=arn)
        self._tags.create(arn, request.get("Tags"))
        self._models[arn] = Model(name, request, container, time.time())
        return {"ModelArn": arn}

    def describe_model(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeModel."""
        return self._model(scope, parse_name(request, "ModelName")).description()

    def list_models(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListModels."""
        prefix = scope.arn("model", "")
        summaries = [model.summary() for arn, model in self._models.items() if arn.startswith(prefix)]
        return listing.page(summaries, request, kind="Model", member="Models")

    def delete_model(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModel; its endpoints continue to serve it."""
        arn = self._model(scope, parse_name(request, "ModelName")).container.model_arn
        del self._models[arn]
        self._tags.remove(arn)
        return {}

    def _model(self, scope: Scope, name: str) -> Model:
        arn = scope.arn("model", name)
        if arn not in self._models:
            raise invalid(f'Could not find model "{arn}".')
        return self._models[arn]

    # --- endpoint configs

    def create_config(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpointConfig."""
        name = parse_name(request, "EndpointConfigName")
        arn = scope.arn("endpoint-config", name)
        if arn in self._configs:
            raise invalid(f'Cannot create already existing endpoint configuration "{arn}".')
        variants = tuple(hosting_records.parse_variant(variant) for variant in request.get("ProductionVariants") or [])
        if not variants or len({variant.name for variant in variants}) < len(variants):
            raise invalid("ProductionVariants must name one variant or more, each with a name of its own.")
        for variant in variants:
            self._model(scope, variant.model)
        self._tags.create(arn, request.get("Tags"))
        self._configs[arn] = EndpointConfig(name, arn, request, variants, time.time())
        return {"EndpointConfigArn": arn}

    def describe_config(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpointConfig."""
        return self._config(scope, request).description()

    def list_configs(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListEndpointConfigs."""
        prefix = scope.arn("endpoint-config", "")
        summaries = [config.summary() for arn, config in self._configs.items() if arn.startswith(prefix)]
        return listing.page(summaries, request, kind="EndpointConfig", member="EndpointConfigs")

    def delete_config(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpointConfig."""
        config = self._config(scope, request)
        del self._configs[config.arn]
        self._tags.remove(config.arn)
        return {}

    def _config(self, scope: Scope, request: dict[str, Any]) -> EndpointConfig:
        arn = scope.arn("endpoint-config", parse_name(request, "EndpointConfigName"))
        if arn not in self._configs:
            raise invalid(f'Could not find endpoint configuration "{arn}".')
        return self._configs[arn]

    # --- endpoints

    def create_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpoint: its servers start in a thread."""
        name = parse_name(request, "EndpointName")
        arn = scope.arn("endpoint", name)
        if arn in self._endpoints:
            raise invalid(f'Cannot create already existing endpoint "{arn}".')
        config = self._config(scope, request)
        raw = request.get("DeploymentConfig")
        deployment.parse_deployment(raw, instances=sum(variant.instances for variant in config.variants))
        fleet = self._fleet(scope, name, config)
        self._tags.create(arn, request.get("Tags"))
        endpoint = self._endpoints[arn] = Endpoint(name, arn, config.name, deployment=raw)
        self._deploy(scope, endpoint, fleet, deployment.Deployment())
        return {"EndpointArn": arn}

    def update_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpoint: the new fleet starts beside the old one and takes over as ``DeploymentConfig`` says."""
        endpoint = self._endpoint(scope, request)
        if endpoint.status == "Failed":
            raise invalid(f'Cannot update endpoint "{endpoint.arn}": a failed endpoint can only be deleted.')
        if endpoint.status != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        config = self._config(scope, request)
        raw = request.get("DeploymentConfig")
        plan = deployment.parse_deployment(raw, instances=sum(variant.instances for variant in config.variants))
        fleet = self._fleet(scope, endpoint.name, config)
        endpoint.enter("Updating")
        endpoint.deployment = raw
        self._deploy(scope, endpoint, fleet, plan)
        return {"EndpointArn": endpoint.arn}

    def describe_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpoint."""
        return self._endpoint(scope, request).description()

    def list_endpoints(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListEndpoints."""
        prefix = scope.arn("endpoint", "")
        summaries = [endpoint.summary() for arn, endpoint in self._endpoints.items() if arn.startswith(prefix)]
        return listing.page(summaries, request, kind="Endpoint", member="Endpoints")

    def delete_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpoint: it stops serving at once and is removed when its servers have ended."""
        endpoint = self._endpoint(scope, request)
        if endpoint.status in ("Creating", "Updating", "RollingBack"):
            raise invalid(f'Cannot delete in-progress endpoint "{endpoint.arn}".')
        if endpoint.status == "Deleting":
            return {}
        endpoint.enter("Deleting")
        self._send_state(scope, endpoint)
        fleet, endpoint.fleet = endpoint.fleet, None

        def delete() -> None:
            if fleet is not None:
                fleet.stop()
            del self._endpoints[endpoint.arn]
            self._tags.remove(endpoint.arn)

        self._in_background(delete, endpoint)
        return {}

    async def invoke(
        self, scope: Scope, name: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """InvokeEndpoint; during a deployment each fleet gets its share of the requests."""
        endpoint = self._endpoints.get(scope.arn("endpoint", name))
        fleet = endpoint.choose_fleet() if endpoint else None
        if fleet is None:
            raise ApiError("ValidationError", f"Endpoint {name} of account {scope.account} not found.")
        return await invocation.invoke(fleet, scope, name, headers, body)

    # --- deployments

    def _fleet(self, scope: Scope, endpoint: str, config: EndpointConfig) -> Fleet:
        variants = [(variant, self._model(scope, variant.model).container) for variant in config.variants]
        return Fleet(endpoint, config.name, variants)

    def _deploy(self, scope: Scope, endpoint: Endpoint, fleet: Fleet, plan: deployment.Deployment) -> None:
        """In a thread, start ``fleet``, move the traffic to it, and stop the old fleet."""
        endpoint.pending, endpoint.pending_since = fleet, time.time()
        endpoint.pending_share, endpoint.pending_instances, endpoint.stage = 0.0, 0, None
        self._send_state(scope, endpoint)
        rollout = Rollout(
            endpoint,
            fleet,
            plan,
            on_state=lambda: self._send_state(scope, endpoint),
            on_stage=lambda: self._send_stage(scope, endpoint),
        )
        self._in_background(rollout.run, endpoint)

    def _send_state(self, scope: Scope, endpoint: Endpoint) -> None:
        self._state_events.send(
            scope, state_events.ENDPOINT, endpoint.event(self._tags.get(endpoint.arn)), endpoint.arn
        )

    def _send_stage(self, scope: Scope, endpoint: Endpoint) -> None:
        detail = endpoint.deployment_event(self._tags.get(endpoint.arn))
        self._state_events.send(scope, state_events.DEPLOYMENT, detail, endpoint.arn)

    def _in_background(self, work: Callable[[], None], endpoint: Endpoint) -> None:
        threading.Thread(target=work, daemon=True, name=f"sagemaker-{endpoint.name}").start()

    def _endpoint(self, scope: Scope, request: dict[str, Any]) -> Endpoint:
        arn = scope.arn("endpoint", parse_name(request, "EndpointName"))
        if arn not in self._endpoints:
            raise invalid(f'Could not find endpoint "{arn}".')
        return self._endpoints[arn]
