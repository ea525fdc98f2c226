#!/usr/bin/env python3
"""Uploads many videos while workers are killed, and accounts for every one of them.

It starts an engine of its own. A worker is an encoding, as on AWS, where an environment that
dies takes one chunk with it, and every process of the other functions. One in ten is ended by
SIGKILL at a moment that the seed tells. Ends with 1 if an upload is not where it should be, or
waits for a person whom nobody asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from bearer import claims_for, token
from edge import issuer_key
from engine import LOCAL, ROOT, Engine, Process, await_that, deploy, function_of, port_is_free, start, stop
from idle import become_idle, depth

SUBJECT = "soak"
FIRST_PORT = 14970
# One in so many is no video.
BAD_EVERY = 12
KILLED_PART = 0.10
# A worker of a chunk lives about as long.
KILL_WITHIN_SECONDS = 1.5
PARALLEL_UPLOADS = 4
# How often a client starts again, and a request is sent again: it may be answered by a worker that dies.
ATTEMPTS = 10
# Longer than a queue hides what a killed worker had: 720 s, those of `jobs` and `assemble`.
QUIET_SECONDS = 900
# The function whose workers run encoders.
ENCODES = "transcode"

FILMS = {
    "small.mp4": "-f lavfi -i testsrc2=s=320x180:r=30 -f lavfi -i sine=sample_rate=48000 -t 9 -c:a aac",
    "short.mp4": "-f lavfi -i testsrc2=s=320x180:r=25 -t 3",
    "upright.mp4": "-f lavfi -i testsrc2=s=180x320:r=30 -f lavfi -i sine=sample_rate=44100 -t 5 -c:a aac",
}
SIZES = ("180", "180,144", "auto")


def films(folder: Path) -> tuple[list[Path], list[Path]]:
    """Small videos and files that are none."""
    folder.mkdir()
    for name, what in FILMS.items():
        coding = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60".split()
        command = [LOCAL / "bin/ffmpeg", "-v", "error", "-nostdin", *what.split(), *coding, folder / name]
        subprocess.run(command, check=True)
    whole = (folder / "small.mp4").read_bytes()
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "letter.mp4").write_text("Dear cat,\nthis is no film.\n" * 40)
    return [folder / name for name in FILMS], [folder / "half.mp4", folder / "letter.mp4"]


def client_program() -> str:
    """The client, built."""
    build = ["cargo", "build", "--quiet", "--package", "cattube", "--message-format", "json"]
    said = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    programs = (json.loads(line).get("executable") for line in said.splitlines())
    return next(program for program in programs if program)


class Killer:
    """Ends one worker in ten."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.random = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        known: set[tuple[int, str]] = set()
        doomed: list[tuple[float, str, Process]] = []
        while not self.over.wait(0.05):
            now = time.monotonic()
            for kind, work, worker in self.at_work():
                if (work.pid, work.started) in known:
                    continue
                known.add((work.pid, work.started))
                self.seen[kind] += 1
                if self.random.random() < KILLED_PART:
                    doomed.append((now + self.random.uniform(0, KILL_WITHIN_SECONDS), kind, worker))
            due = [doom for doom in doomed if doom[0] <= now]
            doomed = [doom for doom in doomed if doom[0] > now]
            for _, kind, worker in due:
                if worker.alive():
                    os.kill(worker.pid, signal.SIGKILL)
                    self.killed[kind] += 1

    def at_work(self) -> list[tuple[str, Process, Process]]:
        """Every piece of work with the process that is to die for it."""
        workers: dict[int, tuple[str, Process]] = {}
        for worker in self.engine.workers():
            try:
                workers[worker.pid] = (function_of(worker), worker)
            except (OSError, StopIteration):
                continue
        found = [(kind, worker, worker) for kind, worker in workers.values() if kind != ENCODES]
        for entry in Path("/proc").glob("[0-9]*"):
            kind, worker = workers.get(parent_of(entry), ("", None))
            if kind == ENCODES and worker and (work := Process.of(int(entry.name))):
                found.append((kind, work, worker))
        return found


def parent_of(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


class Api:
    """The HTTP API, as the uploader."""

    def __init__(self, engine: Engine) -> None:
        self.base = engine.outputs()["ApiUrl"]
        self.token = token(issuer_key(engine), claims_for(engine, SUBJECT))

    def get(self, path: str) -> dict:
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {self.token}"})
        for attempt in range(ATTEMPTS):
            time.sleep(attempt * 0.1)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
            except OSError:
                continue
        raise SystemExit(f"{path}: the API does not answer")

    def all(self, what: str) -> list[dict]:
        """A whole list, page by page."""
        page = self.get(f"/v1/{what}?limit=100")
        found = list(page[what])
        while cursor := page.get("next_cursor"):
            page = self.get(f"/v1/{what}?limit=100&cursor={quote(cursor)}")
            found += page[what]
        return found

    def videos(self) -> list[dict]:
        return self.all("videos")

    def asked(self) -> set[str]:
        """The videos that a person is asked about."""
        tickets = (self.get(f"/v1/tickets/{ticket['ticket_id']}") for ticket in self.all("tickets"))
        return {failure["video_id"] for ticket in tickets if ticket["state"] == "open" for failure in ticket["failures"]}


def upload(program: str, api: Api, number: int, file: Path, sizes: str) -> str | None:
    """Uploads a file as anybody does, again until it is there; the client goes on where it ended."""
    command = [program, "upload", str(file), "--title", f"soak {number}", "--sizes", sizes, "--api", api.base]
    for _ in range(ATTEMPTS):
        done = subprocess.run(
            command, env={**os.environ, "CATTUBE_TOKEN": api.token}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if done.returncode == 0:
            return done.stdout.strip()
    print(f"upload {number} failed: {done.stderr.strip()}", file=sys.stderr)
    return None


ENDS = ("ready", "rejected", "abandoned")
# What nobody goes on with unless a person says so.
STUCK = ("abandoned", "waiting for a person")
RESTS = (*ENDS, "waiting for a person")


def class_of(video: dict) -> str:
    """Where a video has come to rest, or "on its way"."""
    if video["state"] in ENDS:
        return video["state"]
    return "waiting for a person" if video.get("needs_attention") else "on its way"


def await_rest(api: Api, count: int, seconds: float) -> None:
    """Waits until so many videos are at rest; says once in a while how many are."""
    begin = told = time.monotonic()
    while (now := time.monotonic()) - begin < seconds:
        classes = Counter(class_of(video) for video in api.videos())
        if sum(classes.values()) >= count and not classes["on its way"]:
            return
        if now - told > 15:
            told = now
            print(f"{now - begin:5.0f} s  {dict(classes)}", flush=True)
        time.sleep(1)


def await_idle(engine: Engine) -> str:
    """Waits until no message is left and no worker runs; otherwise what is left."""
    dead = [url for key, url in engine.outputs().items() if key.endswith("DeadLettersUrl")]
    try:
        await_that(lambda: not depth(engine, dead), "somebody takes the dead letters", QUIET_SECONDS)
        become_idle(engine, QUIET_SECONDS)
    except TimeoutError as unfinished:
        return str(unfinished)
    return ""


def soak(engine: Engine, count: int, seed: int, seconds: float) -> bool:
    good, bad = films(engine.dir / "films")
    program = client_program()
    api = Api(engine)
    pick = random.Random(seed)
    jobs = [(n, pick.choice(bad if n % BAD_EVERY == 0 else good), pick.choice(SIZES)) for n in range(1, count + 1)]
    bad_count = sum(file in bad for _, file, _ in jobs)
    killer = Killer(engine, seed)
    begin = time.monotonic()
    killer.thread.start()
    with ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
        ids = {video for video in pool.map(lambda job: upload(program, api, *job), jobs) if video}
    uploaded = time.monotonic() - begin
    await_rest(api, len(ids), seconds)
    killer.over.set()
    killer.thread.join()
    took = time.monotonic() - begin
    unfinished = await_idle(engine)
    # What was said last may have changed something.
    videos = {video["video_id"]: class_of(video) for video in api.videos()}
    classes = Counter(videos.values())
    unasked = {video for video, where in videos.items() if where in STUCK} - api.asked()
    workers, killed = sum(killer.seen.values()), sum(killer.killed.values())
    died = ", ".join(f"{n} {kind}" for kind, n in sorted(killer.killed.items())) or "none"
    print(f"seed {seed}: {workers} workers, {killed} killed ({died})")
    print(f"{len(ids):5} uploads in, in {uploaded:.0f} s; at rest after {took:.0f} s")
    for name in (*RESTS, "on its way"):
        print(f"{classes[name]:5} {name}")
    total = sum(classes[name] for name in RESTS)
    wrong = [
        text
        for broken, text in (
            (len(ids) != count, f"{len(ids)} of {count} uploads became a video of their own"),
            (videos.keys() != ids, f"videos nobody uploaded or lost ones: {videos.keys() ^ ids}"),
            (total != count, f"{count} uploads, {total} accounted for"),
            (classes["rejected"] != bad_count, f"{bad_count} files were no videos, {classes['rejected']} were rejected"),
            (unasked, f"no person was asked about {unasked}"),
            (unfinished, unfinished),
        )
        if broken
    ]
    print(f"the sum is {total} of {count}: {'right' if not wrong else '; '.join(wrong)}")
    return not wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1200, help="how long to wait at most")
    parser.add_argument("--name", default="soak")
    args = parser.parse_args()
    port = next(p for p in range(FIRST_PORT, FIRST_PORT + 200, 2) if port_is_free(p) and port_is_free(p + 1))
    try:
        engine = start(args.name, port, keep=False)
        deploy(args.name, "test", [], [])
        is_right = soak(engine, args.count, args.seed, args.seconds)
    finally:
        stop(args.name, wipe=True)
    sys.exit(not is_right)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
