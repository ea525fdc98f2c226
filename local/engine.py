#!/usr/bin/env python3
"""The local engine: MiniStack and the edge, started, deployed to and stopped by name.

An engine keeps everything it makes in .local/engine/<name>/. It listens on 127.0.0.1 only, and
its root credentials are made at each start, so that no web page and no script that knows this
repository can call it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import boto3
import yaml

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
ENGINES = LOCAL / "engine"
BUILD = LOCAL / "build"
STACK = "cattube"
REGION = "us-east-1"
AUDIENCE = "cattube"
# Whose videos are those of `make run`.
SUBJECT = "local-user"


@dataclass
class Process:
    """A process of ours: the pid alone could be somebody else's by now."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(pid, fields[19])

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def end(self) -> None:
        """Asks the process to end, and insists after ten seconds."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                return
            os.kill(self.pid, sig)
            try:
                await_that(lambda: not self.alive(), f"process {self.pid} ends", 10)
            except TimeoutError:
                continue


@dataclass
class Engine:
    """What is written in engine.json."""

    name: str
    port: int
    secret: str
    processes: list[Process]
    # Whether what it holds outlives it: only so can it be restarted.
    keeps: bool = False

    @property
    def dir(self) -> Path:
        return ENGINES / self.name

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def edge(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def issuer(self) -> str:
        return f"{self.edge}/issuer"

    def aws_env(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "localdev",
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="localdev",
            aws_secret_access_key=self.secret,
        )

    def outputs(self) -> dict[str, str]:
        file = self.dir / "outputs.json"
        if not file.exists():
            raise SystemExit(f"engine {self.name}: nothing is deployed (engine.py deploy)")
        return json.loads(file.read_text())

    def running(self) -> bool:
        return bool(self.processes) and all(p.alive() for p in self.processes)

    def save(self) -> None:
        file = self.dir / "engine.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, name: str) -> Engine | None:
        file = ENGINES / name / "engine.json"
        if not file.exists():
            return None
        raw = json.loads(file.read_text())
        raw["processes"] = [Process(**p) for p in raw["processes"]]
        return cls(**raw)

    @classmethod
    def get(cls, name: str) -> Engine:
        engine = cls.load(name)
        if engine is None or not engine.running():
            raise SystemExit(f"engine {name}: not running (engine.py start)")
        return engine

    def workers(self) -> Iterator[Process]:
        """Function processes: what runs a binary that this engine has unpacked."""
        ours = str(self.dir / "tmp")
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                exe = os.readlink(entry / "exe")
            except OSError:
                continue
            if exe.startswith(f"{ours}/") and (process := Process.of(int(entry.name))):
                yield process


def await_that(condition: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def port_is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def spawn(engine: Engine, name: str, command: list[str], env: dict[str, str]) -> Process:
    with (engine.dir / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            command, env=env, cwd=engine.dir, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )
    process = Process.of(child.pid)
    if process is None:
        raise SystemExit(f"{name} ended at once: see {engine.dir / name}.log")
    return process


def environment(engine: Engine) -> dict[str, str]:
    """A clean one, because functions inherit all of MiniStack's: their PATH (ffmpeg), and the
    endpoint, without which they would call the real AWS."""
    keeps = "1" if engine.keeps else "0"
    return {
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        # What is put into the engine's own bin/ goes before the real thing: tests break it so.
        "PATH": f"{engine.dir / 'bin'}:{LOCAL / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": str(engine.dir / "tmp"),
        **engine.aws_env(),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(engine.port),
        "MINISTACK_HOST": "127.0.0.1",
        "AUTH": "true",
        # Mostly in memory: with S3_PERSIST every ranged read loads the whole object (125 ms per
        # 200 MB instead of 2), and `make stop` is to leave nothing.
        "PERSIST_STATE": keeps,
        "S3_PERSIST": keeps,
        "STATE_DIR": str(engine.dir / "state"),
        "S3_DATA_DIR": str(engine.dir / "s3"),
        "LAMBDA_WARM_TTL_SECONDS": "20",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def start_engine(engine: Engine) -> Process:
    return spawn(engine, "engine", [str(Path(sys.executable).parent / "ministack")], environment(engine))


def await_ready(engine: Engine) -> None:
    await_that(lambda: not engine.running() or answers(f"{engine.endpoint}/_ministack/ready"), "engine ready", 60)
    await_that(
        lambda: not engine.running() or answers(f"{engine.issuer}/.well-known/openid-configuration"), "edge ready", 30
    )
    if not engine.running():
        raise SystemExit(f"the engine ended at once: see {engine.dir}/*.log")


def start(name: str, port: int, *, keep: bool) -> Engine:
    engine = Engine.load(name)
    if engine is not None and engine.running():
        if engine.port != port:
            raise SystemExit(f"engine {name} already runs, on port {engine.port}")
        return engine
    if engine is not None:
        stop(name, wipe=True)
    for p in (port, port + 1):
        if not port_is_free(p):
            raise SystemExit(f"port {p} is taken by another program; choose one with PORT=…")
    engine = Engine(name, port, secrets.token_hex(20), [], keep)
    for part in ("bin", "tmp", "state", "s3"):
        (engine.dir / part).mkdir(parents=True, exist_ok=True)
    try:
        engine.processes.append(start_engine(engine))
        engine.save()
        edge = [sys.executable, str(ROOT / "local/edge.py"), name]
        engine.processes.append(spawn(engine, "edge", edge, {"PATH": environment(engine)["PATH"]}))
        engine.save()
        await_ready(engine)
    except BaseException:
        for process in engine.processes:
            process.end()
        raise
    return engine


def restart(name: str) -> None:
    """Ends the engine in the middle of whatever it does, with all its workers, and starts it
    again with what it held."""
    engine = Engine.get(name)
    if not engine.keeps:
        raise SystemExit(f"engine {name} keeps nothing (engine.py start --keep)")
    engine.processes[0].end()
    for process in engine.workers():
        process.end()
    await_that(lambda: port_is_free(engine.port), "the port is free", 10)
    engine.processes[0] = start_engine(engine)
    engine.save()
    await_ready(engine)


def stop(name: str, *, wipe: bool) -> None:
    engine = Engine.load(name)
    if engine is not None:
        for process in reversed(engine.processes):
            process.end()
        for process in engine.workers():
            process.end()
        engine.processes = []
        engine.save()
    if wipe:
        shutil.rmtree(ENGINES / name, ignore_errors=True)


def tool(*command: str, env: dict[str, str]) -> None:
    """Runs a tool of the venv; shows what it said only if it fails."""
    bin_dir = Path(sys.executable).parent
    full = {**os.environ, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2", **env, "PATH": f"{bin_dir}:{os.environ['PATH']}"}
    full.pop("AWS_PROFILE", None)
    done = subprocess.run(command, cwd=ROOT, env=full, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        said = "\n".join(line for line in done.stdout.splitlines() if "Uploading to" not in line)
        raise SystemExit(f"{shlex.join(command)}\n{said}\nfailed with {done.returncode}")


def build() -> None:
    """`sam build` in the dev profile, with cargo's own linker; the layer is for AWS only."""
    tool(
        "sam", "build", "--config-env", "local",
        env={"SAM_BUILD_MODE": "debug", "CARGO_LAMBDA_COMPILER": "cargo", "AWS_DEFAULT_REGION": REGION},
    )


def digest(parameters: dict[str, str]) -> str:
    """What a deployment is made of."""
    sha = hashlib.sha256(json.dumps(parameters).encode())
    for file in sorted(BUILD.rglob("*")):
        if file.is_file():
            sha.update(file.read_bytes())
    return sha.hexdigest()


def sections() -> dict[str, set[str]]:
    """The resources of each section of template.yaml: what stands below a line `# ---- name`."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (ROOT / "template.yaml").read_text().splitlines():
        if title := re.fullmatch(r"  # -+ (.+)", line):
            section = title[1]
        elif re.match(r"\w+:", line):
            section = ""
        elif section and (resource := re.match(r"  (\w+):", line)):
            found.setdefault(section, set()).add(resource[1])
    return found


def template_without(cut: list[str], folder: Path) -> Path:
    """What `engine.py build` built, without these sections and the outputs that tell of them."""
    template = yaml.safe_load((BUILD / "template.yaml").read_text())
    parts = sections()
    gone = set().union(*(parts[name] for name in cut))
    template["Resources"] = {k: v for k, v in template["Resources"].items() if k not in gone}
    names = re.compile(rf"\b({'|'.join(sorted(gone))})\b")
    template["Outputs"] = {k: v for k, v in template["Outputs"].items() if not names.search(json.dumps(v["Value"]))}
    # Code and layers are named from the place of what was built.
    for resource in template["Resources"].values():
        for uri in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][uri] = str((BUILD / resource["Properties"][uri]).resolve())
    file = folder / "template.yaml"
    file.write_text(yaml.safe_dump(template, sort_keys=False))
    return file


def deploy(name: str, stage: str, overrides: list[str], without: list[str]) -> dict[str, str]:
    """`sam deploy` of template.yaml, then what MiniStack's CloudFormation drops."""
    engine = Engine.get(name)
    parameters = {
        "Stage": stage,
        "JwtIssuer": engine.issuer,
        "JwtAudience": AUDIENCE,
        "LocalEndpoint": engine.endpoint,
        "LocalMediaBaseUrl": engine.edge,
        # So that what `aws s3 cp` drops is seen by the one who runs `make run`.
        "DropOwnerSubject": SUBJECT,
        # So that `make tickets` shows them all.
        "OperatorSubject": SUBJECT,
        "WorkerLimit": str(max(2, os.cpu_count() or 2)),
        **dict(pair.split("=", 1) for pair in overrides),
    }
    # sam zips every function to find out that nothing changed; this knows it at once.
    done = engine.dir / "deployed.sha256"
    wanted = digest({**parameters, "without": ",".join(without)})
    if done.exists() and done.read_text() == wanted:
        return engine.outputs()
    done.unlink(missing_ok=True)
    file = template_without(without, engine.dir) if without else BUILD / "template.yaml"
    tool(
        # Given a template, sam looks for its settings beside that.
        "sam", "deploy", "--config-env", "local", "--config-file", str(ROOT / "samconfig.toml"), "--template-file", str(file),
        "--parameter-overrides", *[f"{k}={v}" for k, v in parameters.items()],
        env=engine.aws_env(),
    )
    fixups(engine)
    stack = engine.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    (engine.dir / "outputs.json").write_text(json.dumps(outputs, indent=1))
    done.write_text(wanted)
    return outputs


def fixups(engine: Engine) -> None:
    """What MiniStack drops or takes otherwise than AWS, put right through its own APIs.

    Its CloudFormation drops TTL and the API's CORS, and leaves MaximumConcurrency a string where
    it is a `!Ref`: its poller then fails for every queue. Its IAM asks for an action
    SendMessageBatch, which AWS does not have (there SendMessage is enough), and takes every
    schedule to be of the group `default`.
    """
    cloudformation = engine.client("cloudformation")
    body = cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
    template = json.loads(body) if isinstance(body, str) else body
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    ids = {
        r["LogicalResourceId"]: r["PhysicalResourceId"]
        for r in cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    }
    lambda_ = engine.client("lambda")
    for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]:
        limit = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        if limit is not None:
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": int(limit)})
    iam = engine.client("iam")
    for logical, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            for policy in properties["Policies"]:
                role = {"RoleName": ids[logical], "PolicyName": policy["PolicyName"]}
                document = iam.get_role_policy(**role)["PolicyDocument"]
                for statement in document["Statement"]:
                    if statement["Action"] == "sqs:SendMessage":
                        statement["Action"] = ["sqs:SendMessage", "sqs:SendMessageBatch"]
                text = re.sub(r":schedule/[^/\"]+/", ":schedule/default/", json.dumps(document))
                iam.put_role_policy(**role, PolicyDocument=text)
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            cors = {**properties["CorsConfiguration"], "AllowOrigins": parameters["AllowedOrigins"].split(",")}
            cors["MaxAge"] = int(cors["MaxAge"])
            engine.client("apigatewayv2").update_api(ApiId=ids[logical], CorsConfiguration=cors)


def function_of(process: Process) -> str:
    """Which function a worker serves."""
    environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    name = next(v for v in environment if v.startswith(b"AWS_LAMBDA_FUNCTION_NAME="))
    return name.decode().rpartition(f"{STACK}-")[2]


def let_run(name: str, functions: list[str], *, enabled: bool) -> None:
    """Stops or resumes what feeds these functions from their queues."""
    lambda_ = Engine.get(name).client("lambda")
    for function in functions:
        for mapping in lambda_.list_event_source_mappings(FunctionName=f"{STACK}-{function}")["EventSourceMappings"]:
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


def function_env(engine: Engine, function: str | None) -> dict[str, str]:
    """What the deployed functions read from their environment, all together, for `cargo lambda
    watch`. Names of dead-letter queues differ between them: there `function` has the last word."""
    lambda_ = engine.client("lambda")
    names = [name for key, name in engine.outputs().items() if key.endswith("Function")]
    if function and f"{STACK}-{function}" not in names:
        raise SystemExit(f"{function}: no such function; there are {', '.join(n.removeprefix(f'{STACK}-') for n in names)}")
    variables: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name == f"{STACK}-{function}"):
        variables |= lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    return variables


def describe(name: str) -> dict[str, object]:
    engine = Engine.get(name)
    outputs = engine.outputs()
    return {
        "endpoint": engine.endpoint,
        "edge": engine.edge,
        "api_url": outputs["ApiUrl"],
        "media_base_url": outputs["MediaBaseUrl"],
        "region": REGION,
        "env": engine.aws_env(),
        "subject": SUBJECT,
        "token_command": [sys.executable, str(ROOT / "local/bearer.py"), "--name", name],
        "log": str(engine.dir / "engine.log"),
        "pid": engine.processes[0].pid,
        "function_dir": str(engine.dir),
        "outputs": outputs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("start", "start the engine and the edge; nothing to do if they run"),
        ("deploy", "sam deploy of what `engine.py build` built"),
        ("restart", "stop the engine, with what it is doing, and start it again with what it held"),
        ("stop", "stop what start started"),
        ("env", "print where everything is, as JSON or as export lines"),
        ("build", "sam build of all functions, dev profile"),
        ("workers", "print the function processes, as JSON"),
        ("pause", "let these functions no more take from their queues"),
        ("resume", "let them again"),
    ):
        sub = commands.add_parser(command, help=text)
        if command != "build":
            sub.add_argument("--name", default="run")
        if command == "start":
            sub.add_argument("--port", type=int, default=4566, help="the edge takes the next one")
            sub.add_argument("--keep", action="store_true", help="keep on disk what it holds, for restart")
        if command == "deploy":
            sub.add_argument("--stage", choices=("local", "test"), default="local")
            sub.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE")
            sub.add_argument("--without", action="append", default=[], metavar="SECTION", help="leave out this part of the template")
            sub.add_argument("--quiet", action="store_true", help="do not print the outputs")
        if command == "stop":
            sub.add_argument("--wipe", action="store_true", help="and forget everything it made")
        if command == "env":
            sub.add_argument("--export", action="store_true", help="for a shell: eval \"$(… env --export)\"")
            sub.add_argument("--function", help="whose value to take where the functions' differ")
        if command in ("pause", "resume"):
            sub.add_argument("functions", nargs="+")
    args = parser.parse_args()
    match args.command:
        case "start":
            print(start(args.name, args.port, keep=args.keep).endpoint)
        case "restart":
            restart(args.name)
        case "build":
            build()
        case "deploy":
            outputs = deploy(args.name, args.stage, args.set, args.without)
            if not args.quiet:
                print(json.dumps(outputs, indent=1))
        case "stop":
            stop(args.name, wipe=args.wipe)
        case "workers":
            found = ({"pid": p.pid, "function": function_of(p)} for p in Engine.get(args.name).workers())
            print(json.dumps(list(found)))
        case "pause" | "resume":
            let_run(args.name, args.functions, enabled=args.command == "resume")
        case "env" if args.export:
            engine = Engine.get(args.name)
            deployed = function_env(engine, args.function) if (engine.dir / "outputs.json").exists() else {}
            for key, value in {**deployed, **engine.aws_env()}.items():
                print(f"export {key}={shlex.quote(value)}")
        case "env":
            print(json.dumps(describe(args.name), indent=1))


if __name__ == "__main__":
    main()
