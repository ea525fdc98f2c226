#!/usr/bin/env python3
"""Sends a sample of events/ to where its message would come from: replay.py FILE.

A CatTube event goes into the bus, a command to its queue. S3's own events cannot be put by
anybody but S3, so they go to the queue that the rule feeds. A dead letter, whatever it says, goes
to the dead-letter queue that it was in.
"""

from __future__ import annotations

import argparse
import json
import re
import uuid
from pathlib import Path

from engine import Engine

COMMAND_QUEUES = {
    "PlanVideo": "JobsQueueUrl",
    "TranscodeChunk": "ChunksQueueUrl",
    "CheckUpload": "UploadsQueueUrl",
    "ResumeUpload": "UploadsQueueUrl",
    "ForwardPlan": "RetryQueueUrl",
    "CheckJob": "DeadlinesQueueUrl",
    "PurgeVideo": "ManageQueueUrl",
}


def messages(sample: dict | list) -> list[dict]:
    """The entries of `aws events put-events`, the bodies of an SQS batch, or the one event that
    the file holds."""
    if isinstance(sample, list):
        return [
            {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
            for entry in sample
        ]
    if "Records" in sample:
        return [json.loads(record["body"]) for record in sample["Records"]]
    return [sample]


def dead_letters(sample: dict | list) -> list[tuple[str, str]]:
    """Those of an SQS batch: the queue's output and the body."""
    records = sample.get("Records", []) if isinstance(sample, dict) else []
    found = [(re.search(r"-(\w+DeadLetters)-", record["eventSourceARN"]), record["body"]) for record in records]
    return [(f"{name[1]}Url", body) for name, body in found if name]


def send(engine: Engine, output: str, kind: str, body: str, group: str) -> str:
    url, extra = engine.outputs()[output], {"MessageGroupId": group}
    if url.endswith(".fifo"):
        extra["MessageDeduplicationId"] = uuid.uuid4().hex
    answer = engine.client("sqs").send_message(QueueUrl=url, MessageBody=body, **extra)
    return f"{kind} -> queue {url.rsplit('/', 1)[1]}, message {answer['MessageId']}"


def replay(engine: Engine, message: dict) -> str:
    outputs = engine.outputs()
    if str(message.get("source", "")).startswith("cattube."):
        entry = {
            "EventBusName": outputs["BusName"], "Source": message["source"],
            "DetailType": message["detail-type"], "Detail": json.dumps(message["detail"]),
        }
        answer = engine.client("events").put_events(Entries=[entry])["Entries"][0]
        return f"{message['detail-type']} -> bus {outputs['BusName']}, event {answer['EventId']}"
    if message.get("source") == "aws.s3":
        return send(engine, "IngestQueueUrl", message["detail-type"], json.dumps(message), "s3")
    kind = message.get("command")
    if kind not in COMMAND_QUEUES:
        raise SystemExit("neither an event nor a command that has a queue")
    return send(engine, COMMAND_QUEUES[kind], kind, json.dumps(message), message["metadata"]["owner_id"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", default="run")
    args = parser.parse_args()
    engine = Engine.get(args.name)
    sample = json.loads(args.file.read_text())
    buried = dead_letters(sample)
    for output, body in buried:
        print(send(engine, output, "a dead letter", body, "replay"))
    for message in [] if buried else messages(sample):
        print(replay(engine, message))


if __name__ == "__main__":
    main()
