#!/usr/bin/env python3
"""Prints what the functions logged, in order of time; --follow goes on."""

from __future__ import annotations

import argparse
import time

from engine import STACK, Engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="run")
    parser.add_argument("--function", help="only this one, such as transcode")
    parser.add_argument("--follow", action="store_true")
    args = parser.parse_args()
    logs = Engine.get(args.name).client("logs")
    prefix = f"/aws/lambda/{STACK}-{args.function or ''}"
    printed: set[tuple] = set()
    while True:
        events = [
            (event["timestamp"], group["logGroupName"].removeprefix(f"/aws/lambda/{STACK}-"), event)
            for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            for event in page["events"]
        ]
        for stamp, function, event in sorted(events, key=lambda e: e[0]):
            seen = (stamp, event["logStreamName"], event["message"])
            if seen not in printed:
                printed.add(seen)
                clock = time.strftime("%H:%M:%S", time.localtime(stamp / 1000))
                print(f"{clock}.{stamp % 1000:03d} {function:9} {event['message'].rstrip()}", flush=True)
        if not args.follow:
            return
        time.sleep(1)


if __name__ == "__main__":
    main()
