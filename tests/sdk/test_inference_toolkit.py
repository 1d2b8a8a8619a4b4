"""The serving contract, held against the public ``sagemaker-inference`` toolkit: one script and request, two servers.

The local SageMaker does what the XGBoost image's own, older toolkit does. Where the public one differs, a test says
how.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.sdk.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sdk.conftest import Account

STEPS = """
import json, pathlib

def model_fn(model_dir):
    return (pathlib.Path(model_dir) / "weights.txt").read_text()

def input_fn(body, content_type):
    if body in ("raise", b"raise"):
        raise ValueError("a secret")
    return {"body": body if isinstance(body, str) else list(body), "is": type(body).__name__, "type": content_type}

def predict_fn(data, model):
    return {**data, "model": model}

def output_fn(prediction, accept):
    if prediction["body"] == "bare":
        return json.dumps({**prediction, "accept": accept})
    return json.dumps({**prediction, "accept": accept}), "application/x-told"
"""

WHOLE = """
import json, pathlib

def model_fn(model_dir):
    return (pathlib.Path(model_dir) / "weights.txt").read_text()

def transform_fn(model, body, content_type, accept):
    return json.dumps([model, body, content_type, accept]), "application/x-whole"
"""

# What the toolkit's model server does with each request: a stand-in for the server, not for the toolkit.
ASK = """
import base64, json, os, sys
from sagemaker_inference.transformer import Transformer

class Context:
    system_properties = {"model_dir": os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "model")}

    def __init__(self, headers):
        self.request_processor, self.headers, self.status, self.type = [self], headers, 200, None

    def get_request_properties(self):
        return self.headers

    def set_response_content_type(self, _index, name):
        self.type = name

    def set_response_status(self, code, phrase):
        self.status = code

sys.path.insert(0, os.path.join(Context.system_properties["model_dir"], "code"))
transformer = Transformer()
for line in sys.stdin:
    asked = json.loads(line)
    context = Context(asked["headers"])
    (said,) = transformer.transform([{"body": base64.b64decode(asked["body"])}], context)
    print(json.dumps({"status": context.status, "type": context.type, "body": said}), flush=True)
"""

REQUESTS = {
    "csv": (b"1,2", "text/csv", "application/json"),
    "csv for csv": (b"1,2", "text/csv", "text/csv"),
    "json": (b"[1]", "application/json", "application/json"),
    "anything will do": (b"[1]", "application/json", "*/*"),
    "no accept": (b"1,2", "text/csv", None),
    "text of another kind": (b"hello", "text/plain", "application/json"),
    "a parameter": (b"1,2", "text/csv; charset=utf-8", "application/json"),
    "bytes": (bytes(range(256)), "application/x-npy", "application/json"),
    "beyond ASCII": ("\u6a5f\u68b0".encode(), "text/csv", "application/json"),
    "several accepted": (b"1,2", "text/csv", "text/csv, application/json"),
}


@pytest.fixture(scope="module")
def ask_both(
    account: Account, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Callable[..., tuple[dict[str, Any], dict[str, Any]]]]:
    """Serves a script twice; asks both the same, and tells both answers: ours, theirs."""
    served: dict[str, Callable[..., tuple[dict[str, Any], dict[str, Any]]]] = {}

    def serve(script: str) -> Callable[..., tuple[dict[str, Any], dict[str, Any]]]:
        if script not in served:
            base = tmp_path_factory.mktemp("opt") / "ml"
            endpoint = deploy(account, script)

            def ask(body: bytes, content_type: str, accept: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
                return ours(account, endpoint, body, content_type, accept), theirs(
                    base, script, body, content_type, accept
                )

            served[script] = ask
        return served[script]

    return serve


def deploy(account: Account, script: str) -> str:
    """An endpoint on the local SageMaker with a script; its name."""
    name = f"toolkit-{uuid.uuid4().hex[:12]}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for file, text in {"weights.txt": "weights", "code/serving.py": script}.items():
            member = tarfile.TarInfo(file)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    account.client("s3").put_object(Bucket=account.bucket, Key=f"{name}/model.tar.gz", Body=content.getvalue())
    sagemaker = account.client("sagemaker")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=account.role,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{account.bucket}/{name}/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "serving.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "PIP_NO_BUILD_ISOLATION": "0",
            },
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.config.delay, waiter.config.max_attempts = 1, 60
    waiter.wait(EndpointName=name)
    return name


def ours(account: Account, endpoint: str, body: bytes, content_type: str, accept: str | None) -> dict[str, Any]:
    """What the endpoint answers."""
    accepted = {} if accept is None else {"Accept": accept}
    try:
        answer = account.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType=content_type, **accepted
        )
    except ClientError as error:
        response: dict[str, Any] = {**error.response}
        return {"status": response["OriginalStatusCode"], "body": response["OriginalMessage"]}
    return {"status": 200, "type": answer["ContentType"], "body": answer["Body"].read().decode()}


def theirs(base: Path, script: str, body: bytes, content_type: str, accept: str | None) -> dict[str, Any]:
    """What the toolkit answers."""
    (base / "model" / "code").mkdir(parents=True, exist_ok=True)
    (base / "model" / "weights.txt").write_text("weights")
    (base / "model" / "code" / "serving.py").write_text(script)
    headers = {"Content-Type": content_type} | ({} if accept is None else {"Accept": accept})
    process = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps({"headers": headers, "body": base64.b64encode(body).decode()}),
        env={"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_PROGRAM": "serving.py"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer


@pytest.mark.parametrize("name", REQUESTS)
def test_both_toolkits_call_the_script_and_respond_alike(ask_both: Any, name: str) -> None:
    mine, public = ask_both(STEPS)(*REQUESTS[name])
    assert mine == public
    assert mine["status"] == 200
    assert mine["type"] == "application/x-told"


def test_both_toolkits_accept_a_single_transform_function(ask_both: Any) -> None:
    mine, public = ask_both(WHOLE)(*REQUESTS["csv"])
    assert mine == public
    assert json.loads(mine["body"]) == ["weights", "1,2", "text/csv", "application/json"]


def test_exception_is_a_500_named_only_by_the_public_toolkit(ask_both: Any) -> None:
    mine, public = ask_both(STEPS)(b"raise", "text/csv", "application/json")
    assert mine["status"] == public["status"] == 500
    assert "a secret" in public["body"]
    assert "a secret" not in mine["body"]  # the image answers a page that says nothing


def test_bare_string_has_html_or_the_accepted_content_type(ask_both: Any) -> None:
    mine, public = ask_both(STEPS)(b"bare", "text/csv", "application/json")
    assert mine["body"] == public["body"]
    assert mine["type"].startswith("text/html")
    assert public["type"] == "application/json"
