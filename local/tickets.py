#!/usr/bin/env python3
"""Lists the local engine's tickets as its operator, or answers one."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from bearer import claims_for, token
from edge import issuer_key
from engine import ROOT, SUBJECT, Engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="run")
    parser.add_argument("--all", action="store_true", help="also those that are answered or closed")
    parser.add_argument("--ticket", help="the ticket to answer")
    parser.add_argument("--answer", help="retry, skip-720p, skip-audio or give-up")
    args = parser.parse_args()
    if bool(args.ticket) != bool(args.answer):
        raise SystemExit("to answer a ticket takes both: T=tkt_… A=retry")
    engine = Engine.get(args.name)
    said = ["answer", args.ticket, args.answer] if args.ticket else ["tickets", *(["--all"] if args.all else [])]
    client = subprocess.run(
        ["cargo", "run", "-q", "-p", "cattube", "--", *said, "--api", engine.outputs()["ApiUrl"]],
        # Not as --token: everybody on the machine can read a process's arguments.
        env={**os.environ, "CATTUBE_TOKEN": token(issuer_key(engine), claims_for(engine, SUBJECT))},
        cwd=ROOT, check=False,
    )
    sys.exit(client.returncode)


if __name__ == "__main__":
    main()
