#!/usr/bin/env python3
"""The story of an upload that breaks off, told by the bus as it happens.

First the client is killed in the middle of a part: the upload falls silent, says that it failed,
may go on, and another client sends only what is missing. Then only the line breaks: the client
says so itself, waits, and goes on. Both times the video is ready in the end, or this fails.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from bearer import claims_for, token
from edge import issuer_key
from engine import LOCAL, ROOT, SUBJECT, Engine
from line import Line

PART = 8 << 20
SECONDS = 18
# Slow enough to break it in the middle of a part, fast enough to be watched.
BYTES_PER_SECOND = 24 << 20


class Missing(Exception):
    """A step of the story did not happen."""


def master() -> Path:
    """A small picture at a high rate: several parts to send, and little to encode."""
    file = LOCAL / "samples/story.mp4"
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part.mp4")
    subprocess.run(
        [
            LOCAL / "bin/ffmpeg", "-v", "error", "-nostdin", "-y",
            "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=25:duration={SECONDS}",
            "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50",
            "-b:v", "20M", "-minrate", "20M", "-maxrate", "20M", "-bufsize", "20M",
            "-x264-params", "nal-hrd=cbr", unfinished,
        ],
        check=True,
    )
    unfinished.rename(file)
    return file


def now() -> str:
    return datetime.now(timezone.utc).strftime("%H:%M:%S.%f")[:-3]


SAYING = threading.Lock()


def say(who: str, text: str) -> None:
    with SAYING:
        print(f"{now()}  {who:8}{text}", flush=True)


def words(name: str, detail: dict) -> str:
    """What an event says, for people."""
    data, attempt = detail["data"], detail["metadata"]["attempt"]
    match name:
        case "UploadRequested":
            return f"{data['title']}, {data['size_bytes']} bytes"
        case "UploadFailed":
            return f"attempt {attempt}, {data['fault']}: {data['reason']}"
        case "RetryScheduled":
            return f"{data['stage']}, attempt {data['next_attempt']} in {data['delay_ms'] / 1000:.1f} s"
        case "UploadResumed":
            return f"attempt {attempt}: {data['missing_part_count']} parts are missing, the first is {data['first_missing_part']}"
        case "UploadAbandoned":
            return f"after {data['attempts']} attempts: {data['reason']}"
        case "VideoPlanned":
            return f"{data['video_chunk_count'] + data['audio_chunk_count']} chunks"
        case "ChunkTranscoded":
            return data["chunk"]
        case "VideoReady":
            return data["hls_key"]
    return data.get("reason", "")


class Bus:
    """Hears every event of the bus, by a rule and a queue of its own that go away with it."""

    def __init__(self, engine: Engine) -> None:
        self.events, self.sqs = engine.client("events"), engine.client("sqs")
        self.bus = engine.outputs()["BusName"]
        self.name = f"story-{uuid.uuid4().hex[:12]}"
        self.heard: list[tuple[str, dict]] = []
        self.changed = threading.Condition()
        self.open = True

    def __enter__(self) -> Bus:
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = self.events.put_rule(
            Name=self.name, EventBusName=self.bus, EventPattern=json.dumps({"source": [{"prefix": "cattube."}]})
        )["RuleArn"]
        statement = {
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})
        self.events.put_targets(Rule=self.name, EventBusName=self.bus, Targets=[{"Id": "story", "Arn": arn}])
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open = False
        self.thread.join()
        self.events.remove_targets(Rule=self.name, EventBusName=self.bus, Ids=["story"])
        self.events.delete_rule(Name=self.name, EventBusName=self.bus)
        self.sqs.delete_queue(QueueUrl=self.url)

    def _listen(self) -> None:
        while self.open:
            answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                event = json.loads(message["Body"])
                name, detail = event["detail-type"], event["detail"]
                known = {other["metadata"]["event_id"] for _, other in self.heard}
                again = " (said again)" if detail["metadata"]["event_id"] in known else ""
                say("bus", f"{name:16} {words(name, detail)}{again}")
                with self.changed:
                    self.heard.append((name, detail))
                    self.changed.notify_all()
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def first(self, name: str, seconds: float, wanted: Callable[[dict], bool]) -> dict:
        """The first such event, which may have been heard before."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                for heard, detail in self.heard:
                    if heard == name and wanted(detail):
                        return detail
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Missing(f"{name} was not heard on the bus within {seconds:.0f} s")
                self.changed.wait(left)


def built() -> str:
    """The client's binary: what is killed must not be cargo."""
    command = ["cargo", "build", "-q", "-p", "cattube", "--bin", "cattube", "--message-format", "json"]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = (json.loads(line) for line in said.splitlines())
    return next(path for artifact in artifacts if (path := artifact.get("executable")))


class Client:
    """The command `cattube upload`, behind a line."""

    binary = ""

    def __init__(self, engine: Engine, file: Path, line: Line, *options: str) -> None:
        command = [self.binary, "upload", str(file), "--sizes", "360", "--api", engine.outputs()["ApiUrl"], *options]
        env = {
            **os.environ,
            "CATTUBE_TOKEN": token(issuer_key(engine), claims_for(engine, SUBJECT)),
            **dict.fromkeys(("ALL_PROXY", "HTTP_PROXY", "http_proxy"), line.url),
        }
        for name in ("NO_PROXY", "no_proxy"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        for line in self.process.stderr or ():
            say("client", line.rstrip())

    def ends(self, seconds: float) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Missing(f"the client did not end within {seconds:.0f} s") from None

    def kill(self) -> None:
        self.process.kill()


def of_video(video: str) -> Callable[[dict], bool]:
    return lambda detail: detail["metadata"]["video_id"] == video


def requested(bus: Bus, title: str, besides: set[str]) -> str:
    """The video of an upload that is not one of these."""
    fresh = bus.first(
        "UploadRequested", 60,
        lambda detail: detail["data"]["title"] == title and detail["metadata"]["video_id"] not in besides,
    )
    return fresh["metadata"]["video_id"]


def goes_on(bus: Bus, video: str) -> int:
    """What must be heard between a failure and its next attempt; the parts that are missing."""
    retry = bus.first("RetryScheduled", 30, lambda d: of_video(video)(d) and d["data"]["stage"] == "upload")
    wait = retry["data"]["delay_ms"] / 1000
    resumed = bus.first("UploadResumed", wait + 30, of_video(video))
    if resumed["metadata"]["attempt"] != 2:
        raise Missing(f"attempt 2; it is {resumed['metadata']['attempt']}")
    return resumed["data"]["missing_part_count"]


def becomes_ready(bus: Bus, video: str, client: Client) -> None:
    if code := client.ends(120):
        raise Missing(f"the client ended with {code}")
    for name in ("VideoUploaded", "VideoReady"):
        bus.first(name, 120, of_video(video))


def killed(engine: Engine, bus: Bus, file: Path) -> str:
    """The client is killed in the middle of the third part."""
    total = -(-file.stat().st_size // PART)
    line = Line(engine.port, BYTES_PER_SECOND)
    line.breaks_at = 2 * PART + PART // 2
    victim = Client(engine, file, line, "--parallel", "1", "--again")
    line.when_broken = victim.kill
    video = requested(bus, file.stem, set())
    if victim.ends(120) != -signal.SIGKILL:
        raise Missing("the client was to be killed; it ended by itself")
    line.close()
    say("story", f"the client was killed in the middle of part 3 of {total}; nothing more comes")
    bus.first("UploadFailed", 90, of_video(video))
    missing = goes_on(bus, video)
    if missing != total - 2:
        raise Missing(f"{total - 2} missing parts; {missing} are said to be missing")
    say("story", f"another client sends the missing {missing} of {total} parts")
    line = Line(engine.port, BYTES_PER_SECOND)
    becomes_ready(bus, video, Client(engine, file, line, "--resume", video))
    line.close()
    # Headers and the API's requests come on top of the parts.
    rest = file.stat().st_size - 2 * PART
    if not rest <= line.sent < rest + PART // 2:
        raise Missing(f"{rest} bytes of missing parts; {line.sent} were sent")
    sent = f"{line.sent / (1 << 20):.1f} of {file.stat().st_size / (1 << 20):.1f} MiB"
    say("story", f"ready; of {total} parts only the missing {missing} were sent, {sent}")
    return video


def cut(engine: Engine, bus: Bus, file: Path, before: str) -> None:
    """The line breaks in the middle of the third part, and stays so for all quick tries."""
    total = -(-file.stat().st_size // PART)
    line = Line(engine.port, BYTES_PER_SECOND)
    line.breaks_at = 2 * PART + PART // 2
    line.cut_after = PART // 4
    client = Client(engine, file, line, "--parallel", "1", "--again")
    line.when_broken = lambda: say("story", f"the line breaks in the middle of part 3 of {total}")
    video = requested(bus, file.stem, {before})
    failed = bus.first("UploadFailed", 120, of_video(video))
    if not failed["data"]["reason"].startswith("part 3:"):
        raise Missing(f"the failure of part 3; it is {failed['data']['reason']!r}")
    line.mend()
    say("story", "the line is mended; the client waits for its next attempt")
    missing = goes_on(bus, video)
    if missing != total - 2:
        raise Missing(f"{total - 2} missing parts; {missing} are said to be missing")
    becomes_ready(bus, video, client)
    line.close()
    say("story", f"ready; the client went on by itself with the missing {missing} of {total} parts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="story")
    args = parser.parse_args()
    engine = Engine.get(args.name)
    Client.binary = built()
    file = master()
    try:
        with Bus(engine) as bus:
            cut(engine, bus, file, killed(engine, bus, file))
    except Missing as missing:
        say("story", f"IT DID NOT HAPPEN: {missing}")
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
