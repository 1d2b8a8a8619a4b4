"""Every action that the template grants to a role, and those that only AWS itself can show to be needed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.template import as_list, resources


@dataclass(frozen=True, slots=True)
class Grant:
    """One action of one statement; of S3, on one of its resources (prefixes are what keeps people apart there)."""

    role: str
    """Its logical id."""
    policy: str
    statement: int
    action: str
    resource: int | None
    """Position in the statement's list, or none for all that it has."""
    on: str
    """What it is granted on, for people."""

    def __str__(self) -> str:
        return f"{self.role} {self.action} {self.on}".rstrip()

    @property
    def name(self) -> tuple[str, str]:
        """Role and action; where an action is granted in several places, ``on`` tells them apart."""
        return self.role, self.action


def _words(resource: object) -> str:
    """The end of a resource that says which one it is: ``samples/*``, ``endpoint/``, ``EncryptionKey``."""
    match resource:
        case str(text):
            return text
        case {"GetAtt": str(name)}:
            return name.removesuffix(".Arn")
        case {"Sub": [str(text), *_]} | {"Sub": str(text)}:
            return text.replace("${DataBucket.Arn}/", "").rpartition("}:")[2]
        case {"If": _}:
            return "key"
    raise TypeError(f"a policy's resource of an unknown form: {resource!r}")


def _granted() -> list[Grant]:
    found = []
    for role, properties in resources("AWS::IAM::Role").items():
        for policy in properties["Policies"]:
            for number, statement in enumerate(policy["PolicyDocument"]["Statement"]):
                places = [_words(resource) for resource in as_list(statement["Resource"])]
                for action in as_list(statement["Action"]):
                    if action.startswith("s3:") and len(places) > 1:
                        spots: list[tuple[int | None, str]] = list(enumerate(places))
                    else:
                        spots = [(None, " ".join(places))]
                    found += [Grant(role, policy["PolicyName"], number, action, spot, on) for spot, on in spots]
    return found


GRANTS = _granted()

_PULL = "AWS pulls the image under this role; here the image is an environment on this machine"
_INSTANCE_KEY = "SageMaker encrypts the instances' volumes under this role too; here they are folders"
_FIREHOSE = "the delivery stream's documentation asks for it; here an object is one request"
_INSTANCE_METRICS = "SageMaker tells the instances' metrics under this role; here it has none"
_REGISTERED = "the model registry looks the image up under who registers a package; here are no images"
_GROUP = "SageMaker looks whether the log stream is there; here it is made"

ONLY_ON_AWS: dict[tuple[str, str], str] = {
    ("DeliveryRole", "s3:AbortMultipartUpload"): _FIREHOSE,
    ("DeliveryRole", "s3:GetBucketLocation"): _FIREHOSE,
    ("DeliveryRole", "s3:ListBucket"): _FIREHOSE,
    ("DeliveryRole", "s3:ListBucketMultipartUploads"): _FIREHOSE,
    (
        "DeliveryRole",
        "logs:PutLogEvents",
    ): "Firehose tells there why it could not deliver; here the emulator's log does",
    ("TrainingRole", "kms:CreateGrant"): _INSTANCE_KEY,
    ("TrainingRole", "kms:DescribeKey"): _INSTANCE_KEY,
    ("TrainingRole", "kms:Encrypt"): "SageMaker's documentation asks for it where a job's output has a key",
    ("ServingRole", "kms:CreateGrant"): _INSTANCE_KEY,
    ("ServingRole", "kms:DescribeKey"): _INSTANCE_KEY,
    ("RetrainingRole", "kms:DescribeKey"): "SageMaker looks at the volumes' key under whoever starts a job",
    ("PromotionRole", "kms:DescribeKey"): "SageMaker looks at the volumes' key under whoever makes an endpoint",
    ("PromotionRole", "ecr:BatchGetImage"): _REGISTERED,
    ("PromotionRole", "ecr:DescribeImages"): _REGISTERED,
    **{
        (role, action): reason
        for role in ("TrainingRole", "ServingRole")
        for action, reason in {
            "ecr:BatchCheckLayerAvailability": _PULL,
            "ecr:BatchGetImage": _PULL,
            "ecr:GetDownloadUrlForLayer": _PULL,
            "ecr:GetAuthorizationToken": _PULL,
            "logs:DescribeLogStreams": _GROUP,
            "cloudwatch:PutMetricData": _INSTANCE_METRICS,
        }.items()
    },
}
"""Grants whose removal breaks nothing on a laptop, each with what needs it on AWS. ``docs/security.md`` repeats it."""

SHOWN = [grant for grant in GRANTS if grant.name not in ONLY_ON_AWS]
