#!/usr/bin/env python3
"""Lists the messages that nobody could handle, or sends those of one queue back to it.

They were taken from the dead-letter queues, told of on the bus, and put aside for 14 days. Works
on the local engine, or with --stack on AWS, with the credentials that boto3 finds.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
from engine import Engine

# The queue's output of the stack.
OUTPUTS = {
    "upload": "UploadsQueueUrl", "ingest": "IngestQueueUrl", "jobs": "JobsQueueUrl", "chunks": "ChunksQueueUrl",
    "assemble": "AssembleQueueUrl", "manage": "ManageQueueUrl", "retry": "RetryQueueUrl",
    "notify": "NotifyQueueUrl", "deadlines": "DeadlinesQueueUrl",
}
# How long nobody else sees what is being looked at.
LOOK_SECONDS = 120


@dataclass
class Parked:
    """A message that was put aside."""

    queue: str
    video: str
    reason: str
    body: str
    age_seconds: float
    receipt: str
    is_cut: bool
    """Its body was longer than a message can quote: it cannot be sent back."""

    @classmethod
    def of(cls, message: dict) -> Parked:
        body = json.loads(message["Body"])
        sent = int(message["Attributes"]["SentTimestamp"]) / 1000
        video = body["video_id"]
        return cls(
            queue=body["queue"], video="-" if set(video[4:]) == {"0"} else video, reason=body["reason"],
            body=body["body"], age_seconds=time.time() - sent, receipt=message["ReceiptHandle"],
            is_cut="body_bytes" in body,
        )

    def line(self) -> str:
        minutes = int(self.age_seconds // 60)
        age = f"{minutes // 1440}d{minutes // 60 % 24:02}h" if minutes >= 1440 else f"{minutes // 60}h{minutes % 60:02}m"
        return f"{self.queue:9} {self.video:36} {age:>6}  {self.reason}{' (cut, too long to send back)' if self.is_cut else ''}"


def parked(sqs, url: str) -> Iterator[Parked]:
    """All of them: each is hidden while it is looked at, so none comes twice."""
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2, VisibilityTimeout=LOOK_SECONDS,
            AttributeNames=["SentTimestamp"],
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        yield from map(Parked.of, messages)


def group_of(body: str) -> str:
    """The message group: the owner, if the message names one."""
    try:
        return json.loads(body)["metadata"]["owner_id"]
    except (ValueError, KeyError, TypeError):
        return "redrive"


def send_back(sqs, url: str, message: Parked) -> None:
    extra = {}
    if url.endswith(".fifo"):
        extra = {"MessageGroupId": group_of(message.body), "MessageDeduplicationId": uuid.uuid4().hex}
    sqs.send_message(QueueUrl=url, MessageBody=message.body, **extra)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="run", help="the local engine")
    parser.add_argument("--stack", help="the stack on AWS, instead of a local engine")
    parser.add_argument("--queue", choices=sorted(OUTPUTS), help="send the messages of this queue back to it")
    args = parser.parse_args()
    if args.stack:
        stack = boto3.client("cloudformation").describe_stacks(StackName=args.stack)["Stacks"][0]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        sqs = boto3.client("sqs")
    else:
        engine = Engine.get(args.name)
        outputs, sqs = engine.outputs(), engine.client("sqs")
    url = outputs["ParkedQueueUrl"]
    count = 0
    for message in list(parked(sqs, url)):
        goes_back = args.queue == message.queue and not message.is_cut
        if args.queue is None or goes_back:
            count += 1
            print(message.line())
        if goes_back:
            # Sent before it is removed: it may come twice, which harms nobody, but is never lost.
            send_back(sqs, outputs[OUTPUTS[message.queue]], message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message.receipt)
        else:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message.receipt, VisibilityTimeout=0)
    if args.queue:
        print(f"{count} sent back to {args.queue}")
    else:
        print(f"{count} parked" + ("; make redrive Q=<queue> sends those of a queue back" if count else ""))


if __name__ == "__main__":
    main()
