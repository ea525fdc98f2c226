#!/usr/bin/env python3
"""Waits until the queues are empty, lets the idle workers go, and says who ran.

On AWS idle execution environments vanish by themselves and cost nothing meanwhile. MiniStack
keeps the first worker of each function for ever; writing a function's configuration anew
retires it, as it does on AWS.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter

from engine import Engine, await_that

SPAWNED = re.compile(r"environment spawned for \S+-(\w+) \(cold start\)")
# What lies there waits for a person.
LEFT_ALONE = ("ParkedQueueUrl",)
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


def depth(engine: Engine, urls: list[str]) -> int:
    """Messages in these queues: waiting, in flight or delayed."""
    sqs = engine.client("sqs")
    counts = (sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"] for url in urls)
    return sum(int(value) for attributes in counts for value in attributes.values())


def spawned(engine: Engine, offset: int = 0) -> Counter[str]:
    """Execution environments that were started since this offset of the engine's log."""
    with (engine.dir / "engine.log").open(errors="replace") as log:
        log.seek(offset)
        return Counter(SPAWNED.findall(log.read()))


def log_end(engine: Engine) -> int:
    return (engine.dir / "engine.log").stat().st_size


def become_idle(engine: Engine, seconds: float) -> None:
    """Waits for empty queues, then retires the workers and waits until their processes are gone."""
    outputs = engine.outputs()
    queues = [url for key, url in outputs.items() if key.endswith("QueueUrl") and key not in LEFT_ALONE]
    quiet_since: list[float] = []

    def quiet() -> bool:
        # What leaves one queue may be on its way to the next: a second of silence, not one look.
        if depth(engine, queues):
            quiet_since.clear()
            return False
        quiet_since.append(time.monotonic())
        return quiet_since[-1] - quiet_since[0] > 1

    await_that(quiet, "the queues are empty", seconds)
    lambda_ = engine.client("lambda")
    for key, name in outputs.items():
        if key.endswith("Function"):
            timeout = lambda_.get_function_configuration(FunctionName=name)["Timeout"]
            lambda_.update_function_configuration(FunctionName=name, Timeout=timeout)
    await_that(lambda: not any(engine.workers()), "no function process is left", 20)


def report(engine: Engine, offset: int) -> str:
    ran = spawned(engine, offset)
    dead = depth(engine, [url for key, url in engine.outputs().items() if key.endswith("DeadLettersUrl")])
    workers = ", ".join(f"{count} {name}" for name, count in sorted(ran.items())) or "none"
    return (
        f"workers that ran: {workers}\n"
        f"function processes now: {sum(1 for _ in engine.workers())}; dead letters: {dead}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="run")
    parser.add_argument("--since", type=int, default=0, help="offset in the engine's log from where workers count")
    parser.add_argument("--seconds", type=float, default=300, help="how long to wait for empty queues")
    args = parser.parse_args()
    engine = Engine.get(args.name)
    become_idle(engine, args.seconds)
    print(report(engine, args.since))


if __name__ == "__main__":
    main()
