#!/usr/bin/env python3
"""What `make run` does once the engine is up: upload a video, watch it, end idle."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bearer import claims_for, token
from edge import issuer_key
from engine import LOCAL, ROOT, SUBJECT, Engine
from idle import become_idle, log_end, report

SAMPLE_SECONDS = 24


def sample() -> Path:
    """A clip with motion and sound, 1080p30, made once; large enough for several parts."""
    file = LOCAL / "samples/sample.mp4"
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part.mp4")
    subprocess.run(
        [
            LOCAL / "bin/ffmpeg", "-v", "error", "-nostdin", "-y",
            "-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate=30:duration={SAMPLE_SECONDS}",
            "-f", "lavfi", "-i", f"sine=frequency=330:beep_factor=4:sample_rate=48000:duration={SAMPLE_SECONDS}",
            "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-b:v", "8M", "-g", "60",
            "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", unfinished,
        ],
        check=True,
    )
    unfinished.rename(file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="run")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--sizes", default="auto")
    args = parser.parse_args()
    engine = Engine.get(args.name)
    file = args.file or sample()
    offset = log_end(engine)
    client = subprocess.run(
        [
            "cargo", "run", "-q", "-p", "cattube", "--", "upload", file.resolve(), "--sizes", args.sizes,
            "--api", engine.outputs()["ApiUrl"], "--watch",
        ],
        # Not as --token: everybody on the machine can read a process's arguments.
        env={**os.environ, "CATTUBE_TOKEN": token(issuer_key(engine), claims_for(engine, SUBJECT))},
        cwd=ROOT, check=False,
    )
    try:
        become_idle(engine, 60)
    except TimeoutError as unfinished:
        print(f"not idle: {unfinished}")
    print(report(engine, offset))
    sys.exit(client.returncode)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
