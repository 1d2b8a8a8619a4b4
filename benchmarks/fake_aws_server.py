"""A fake of AWS that accepts every request: ``python -m benchmarks.fake_aws_server MILLISECONDS`` prints its port.

It answers ``PutRecord``, ``PutRecords`` (with a result for each record) and ``InvokeEndpoint`` (with a prediction for
each row) after this time, and does as little work as possible.
"""

from __future__ import annotations

import asyncio
import json
import sys

from feature_schema import get_schema_hash

PUT_RESULT = {
    "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
    "ShardId": "shardId-000000000000",
}


def build_response(head: bytes, body: bytes) -> bytes:
    """Return the body of the response to a request with this head and body."""
    if b"Firehose" in head:
        return b'{"RecordId":"49590338271490256608559692538361571095921575989136588898","Encrypted":true}'
    if b"PutRecords" in head:
        results = [PUT_RESULT] * body.count(b'"PartitionKey"')
        return json.dumps({"FailedRecordCount": 0, "Records": results}).encode()
    predictions = [14_350.5] * (body.count(b"\n") + 1)
    return json.dumps(
        {"model": "model-1", "expected_error": 1830.25, "schema_hash": get_schema_hash(), "predictions": predictions}
    ).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Answer the requests of a connection, each after ``seconds``."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            body = await reader.readexactly(length)
            if seconds:
                await asyncio.sleep(seconds)
            response = build_response(head, body)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(response)
            )
            writer.write(response)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(seconds: float) -> None:
    """Print the port and serve until the process is terminated."""
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, seconds), "127.0.0.1", 0, limit=2**24
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) / 1000))
