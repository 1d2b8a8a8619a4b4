"""Operations on models, endpoint configs and endpoints."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import deployment, hosting_records, invocation, listing, notices
from local_aws.sagemaker.errors import ApiError, invalid
from local_aws.sagemaker.fleet import Fleet
from local_aws.sagemaker.hosting_records import Endpoint, EndpointConfig, Model
from local_aws.sagemaker.names import Scope, name_of
from local_aws.sagemaker.role_access import require_role
from local_aws.sagemaker.rollout import Rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.sagemaker.notices import Notices
    from local_aws.sagemaker.tags import Tags


class Hosting:
    """All models, configs and endpoints of this emulator, by ARN."""

    def __init__(self, tags: Tags, sender: Notices) -> None:
        self._models: dict[str, Model] = {}
        self._configs: dict[str, EndpointConfig] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._tags, self._notices = tags, sender

    # --- models

    def create_model(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModel."""
        name = name_of(request, "ModelName")
        arn = scope.arn("model", name)
        if arn in self._models:
            raise invalid(f'Cannot create already existing model "{arn}".')
        role_arn = require_role(request.get("ExecutionRoleArn"), arn)
        container = hosting_records.container(request, role_arn=role_arn, model_arn=arn)
        self._tags.create(arn, request.get("Tags"))
        self._models[arn] = Model(name, request, container, time.time())
        return {"ModelArn": arn}

    def describe_model(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeModel."""
        return self._model(scope, name_of(request, "ModelName")).description()

    def list_models(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListModels."""
        prefix = scope.arn("model", "")
        found = [model.summary() for arn, model in self._models.items() if arn.startswith(prefix)]
        return listing.page(found, request, kind="Model", answer="Models")

    def delete_model(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModel; endpoints that serve it go on."""
        arn = self._model(scope, name_of(request, "ModelName")).container.model_arn
        del self._models[arn]
        self._tags.forget(arn)
        return {}

    def _model(self, scope: Scope, name: str) -> Model:
        arn = scope.arn("model", name)
        if arn not in self._models:
            raise invalid(f'Could not find model "{arn}".')
        return self._models[arn]

    # --- endpoint configs

    def create_config(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpointConfig."""
        name = name_of(request, "EndpointConfigName")
        arn = scope.arn("endpoint-config", name)
        if arn in self._configs:
            raise invalid(f'Cannot create already existing endpoint configuration "{arn}".')
        variants = tuple(hosting_records.variant(each) for each in request.get("ProductionVariants") or [])
        if not variants or len({each.name for each in variants}) < len(variants):
            raise invalid("ProductionVariants must name one variant or more, each with a name of its own.")
        for each in variants:
            self._model(scope, each.model)
        self._tags.create(arn, request.get("Tags"))
        self._configs[arn] = EndpointConfig(name, arn, request, variants, time.time())
        return {"EndpointConfigArn": arn}

    def describe_config(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeEndpointConfig."""
        return self._config(scope, request).description()

    def list_configs(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListEndpointConfigs."""
        prefix = scope.arn("endpoint-config", "")
        found = [config.summary() for arn, config in self._configs.items() if arn.startswith(prefix)]
        return listing.page(found, request, kind="EndpointConfig", answer="EndpointConfigs")

    def delete_config(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpointConfig."""
        config = self._config(scope, request)
        del self._configs[config.arn]
        self._tags.forget(config.arn)
        return {}

    def _config(self, scope: Scope, request: dict[str, Any]) -> EndpointConfig:
        arn = scope.arn("endpoint-config", name_of(request, "EndpointConfigName"))
        if arn not in self._configs:
            raise invalid(f'Could not find endpoint configuration "{arn}".')
        return self._configs[arn]

    # --- endpoints

    def create_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateEndpoint: its servers come up in a thread."""
        name = name_of(request, "EndpointName")
        arn = scope.arn("endpoint", name)
        if arn in self._endpoints:
            raise invalid(f'Cannot create already existing endpoint "{arn}".')
        config = self._config(scope, request)
        raw = request.get("DeploymentConfig")
        deployment.checked(raw, instances=sum(each.instances for each in config.variants))
        fleet = self._fleet(scope, name, config)
        self._tags.create(arn, request.get("Tags"))
        endpoint = self._endpoints[arn] = Endpoint(name, arn, config.name, deployment=raw)
        self._deploy(scope, endpoint, fleet, deployment.Deployment())
        return {"EndpointArn": arn}

    def update_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateEndpoint: the new fleet comes up beside the old one, and takes over as ``DeploymentConfig`` says."""
        endpoint = self._endpoint(scope, request)
        if endpoint.status == "Failed":
            raise invalid(f'Cannot update endpoint "{endpoint.arn}": a failed endpoint can only be deleted.')
        if endpoint.status != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        config = self._config(scope, request)
        raw = request.get("DeploymentConfig")
        plan = deployment.checked(raw, instances=sum(each.instances for each in config.variants))
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
        found = [endpoint.summary() for arn, endpoint in self._endpoints.items() if arn.startswith(prefix)]
        return listing.page(found, request, kind="Endpoint", answer="Endpoints")

    def delete_endpoint(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteEndpoint: it answers no more, and is gone when its servers are."""
        endpoint = self._endpoint(scope, request)
        if endpoint.status in ("Creating", "Updating", "RollingBack"):
            raise invalid(f'Cannot delete in-progress endpoint "{endpoint.arn}".')
        if endpoint.status == "Deleting":
            return {}
        endpoint.enter("Deleting")
        self._tell(scope, endpoint)
        fleet, endpoint.fleet = endpoint.fleet, None

        def delete() -> None:
            if fleet is not None:
                fleet.stop()
            del self._endpoints[endpoint.arn]
            self._tags.forget(endpoint.arn)

        self._in_background(delete, endpoint)
        return {}

    async def invoke(
        self, scope: Scope, name: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """InvokeEndpoint, of a fleet that serves at this moment: during a deployment each has its share."""
        endpoint = self._endpoints.get(scope.arn("endpoint", name))
        fleet = endpoint.fleet_for_a_request() if endpoint else None
        if fleet is None:
            raise ApiError("ValidationError", f"Endpoint {name} of account {scope.account} not found.")
        return await invocation.invoke(fleet, scope, name, headers, body)

    # --- from one fleet to the next

    def _fleet(self, scope: Scope, endpoint: str, config: EndpointConfig) -> Fleet:
        variants = [(each, self._model(scope, each.model).container) for each in config.variants]
        return Fleet(endpoint, config.name, variants)

    def _deploy(self, scope: Scope, endpoint: Endpoint, fleet: Fleet, plan: deployment.Deployment) -> None:
        """Bring ``fleet`` up in a thread, move the traffic to it, take the old one down."""
        endpoint.pending, endpoint.pending_since = fleet, time.time()
        endpoint.pending_share, endpoint.pending_instances, endpoint.stage = 0.0, 0, None
        self._tell(scope, endpoint)
        rollout = Rollout(
            endpoint,
            fleet,
            plan,
            tell=lambda: self._tell(scope, endpoint),
            tell_stage=lambda: self._tell_of_deployment(scope, endpoint),
        )
        self._in_background(rollout.run, endpoint)

    def _tell(self, scope: Scope, endpoint: Endpoint) -> None:
        self._notices.send(scope, notices.ENDPOINT, endpoint.event(self._tags.of(endpoint.arn)), endpoint.arn)

    def _tell_of_deployment(self, scope: Scope, endpoint: Endpoint) -> None:
        detail = endpoint.deployment_event(self._tags.of(endpoint.arn))
        self._notices.send(scope, notices.DEPLOYMENT, detail, endpoint.arn)

    def _in_background(self, work: Callable[[], None], endpoint: Endpoint) -> None:
        threading.Thread(target=work, daemon=True, name=f"sagemaker-{endpoint.name}").start()

    def _endpoint(self, scope: Scope, request: dict[str, Any]) -> Endpoint:
        arn = scope.arn("endpoint", name_of(request, "EndpointName"))
        if arn not in self._endpoints:
            raise invalid(f'Could not find endpoint "{arn}".')
        return self._endpoints[arn]
