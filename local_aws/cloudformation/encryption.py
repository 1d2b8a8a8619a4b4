"""Applies the encryption properties of buckets, streams and tables in a template, which ministack ignores.

``local_aws.kms.key_access`` then checks the permissions on the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

PROVISIONERS = "ministack.services.cloudformation.provisioners"


def install() -> None:
    """Wrap the creation and update of the three resource types."""
    hooks.find("ministack.services.s3", "_put_bucket_encryption", arguments=("name", "body"))
    hooks.find("ministack.services.kinesis", "_start_stream_encryption", arguments=("data",))
    hooks.find("ministack.services.kinesis", "_stop_stream_encryption", arguments=("data",))
    hooks.find("ministack.services.dynamodb", "_tables.get")
    hooks.find("ministack.services.dynamodb", "_sse_description_from_spec", arguments=("spec",))
    handlers = hooks.find(PROVISIONERS, "_RESOURCE_HANDLERS")
    for resource, encrypt in (
        ("AWS::S3::Bucket", _encrypt_bucket),
        ("AWS::Kinesis::Stream", _encrypt_stream),
        ("AWS::DynamoDB::Table", _encrypt_table),
    ):
        entry = handlers.get(resource)
        if entry is None or not {"create", "update"} <= entry.keys():
            raise hooks.HookMissingError(f"ministack's CloudFormation cannot create or update {resource}")
        # the properties are the second argument of `create` and the third of `update`
        wrapped = {
            "create": _encrypting(entry["create"], encrypt, 1),
            "update": _encrypting(entry["update"], encrypt, 2),
        }
        handlers[resource] = entry | wrapped


def _encrypting(
    provision: Callable[..., tuple[str, Any]], encrypt: Callable[[str, dict[str, Any]], None], position: int
) -> Callable[..., tuple[str, Any]]:
    def provision_and_encrypt(*arguments: Any, **options: Any) -> tuple[str, Any]:
        created = provision(*arguments, **options)
        encrypt(created[0], arguments[position])
        return created

    return provision_and_encrypt


def _encrypt_bucket(name: str, properties: dict[str, Any]) -> None:
    rules = (properties.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration") or []
    for rule in rules:
        default = rule.get("ServerSideEncryptionByDefault") or {}
        members = "".join(f"<{member}>{escape(str(value))}</{member}>" for member, value in default.items())
        body = (
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
            f"{members}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
        )
        hooks.find("ministack.services.s3", "_put_bucket_encryption")(name, body.encode())


def _encrypt_stream(name: str, properties: dict[str, Any]) -> None:
    encryption = properties.get("StreamEncryption")
    operation = "_start_stream_encryption" if encryption else "_stop_stream_encryption"
    hooks.find("ministack.services.kinesis", operation)({"StreamName": name, **(encryption or {})})


def _encrypt_table(name: str, properties: dict[str, Any]) -> None:
    table = hooks.find("ministack.services.dynamodb", "_tables").get(name)
    describe = hooks.find("ministack.services.dynamodb", "_sse_description_from_spec")
    table["SSEDescription"] = describe(properties.get("SSESpecification"))
