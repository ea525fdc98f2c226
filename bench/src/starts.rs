//! One start of a function: from spawn until it asks for its first event.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// What a function asks of the Runtime API when it is ready.
const FIRST_REQUEST: &str = "GET /2018-06-01/runtime/invocation/next ";

/// How long a start may take at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked whether the function has called.
const GLANCE: Duration = Duration::from_micros(100);

/// What `template.yaml` gives the functions, all of it to each.
const ENVIRONMENT: [(&str, &str); 30] = [
    ("RUST_LOG", "info"),
    ("BUS_NAME", "cattube"),
    ("MASTERS_BUCKET", "masters"),
    ("MEDIA_BUCKET", "media"),
    ("JOBS_QUEUE_URL", "https://sqs.invalid/1/jobs.fifo"),
    ("CHUNKS_QUEUE_URL", "https://sqs.invalid/1/chunks"),
    ("RETRY_QUEUE_URL", "https://sqs.invalid/1/retry"),
    ("UPLOADS_TABLE", "uploads"),
    ("JOINS_TABLE", "joins"),
    ("CATALOGUE_TABLE", "catalogue"),
    ("MEDIA_BASE_URL", "https://media.invalid"),
    ("DROP_OWNER_SUBJECT", "drop"),
    ("UPLOADS_QUEUE_URL", "https://sqs.invalid/1/uploads"),
    ("UPLOADS_QUEUE_ARN", "arn:aws:sqs:us-east-1:1:uploads"),
    ("DEADLINES_QUEUE_ARN", "arn:aws:sqs:us-east-1:1:deadlines"),
    ("MANAGE_QUEUE_ARN", "arn:aws:sqs:us-east-1:1:manage"),
    ("PARKED_QUEUE_URL", "https://sqs.invalid/1/parked"),
    ("DEAD_LETTERS", "retry=arn:aws:sqs:us-east-1:1:dead"),
    ("SOURCE_QUEUES", "manage=https://sqs.invalid/1/manage"),
    ("SCHEDULE_GROUP", "deadlines"),
    ("SCHEDULE_ROLE_ARN", "arn:aws:iam::1:role/schedules"),
    ("ENCODE_LIMIT_SECONDS", "270"),
    ("JOB_DEADLINE_SECONDS", "1800"),
    ("UPLOAD_DEADLINE_SECONDS", "900"),
    ("PURGE_DELAY_SECONDS", "86400"),
    ("TICKETS_TABLE", "tickets"),
    ("PEOPLE_TOPIC_ARN", "arn:aws:sns:us-east-1:1:people"),
    ("API_BASE_URL", "https://api.invalid"),
    ("OPERATOR_SUBJECT", "operator"),
    ("TICKET_LINK_SECONDS", "604800"),
];

/// How a start went.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// From spawn to the first request.
    pub seconds: f64,
    /// The most memory it had resident until then.
    pub peak_bytes: u64,
    /// Connections to AWS, or to what gives out credentials, until then.
    pub other_connections: u32,
}

/// Starts a function once and ends it when it has asked for an event.
pub fn start(name: &str, binary: &Path) -> Result<Start> {
    let runtime = listen()?;
    let elsewhere = listen()?;
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(ENVIRONMENT)
        .env("AWS_LAMBDA_RUNTIME_API", runtime.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_SESSION_TOKEN", "bench")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let address = format!("http://{}", elsewhere.local_addr()?);
    command.env("AWS_ENDPOINT_URL", &address);
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address);
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| name.to_owned())?;
    let result = until_ready(&runtime, &mut child, started);
    let peak = peak_bytes(child.id());
    child.kill()?;
    child.wait()?;
    let other_connections = count(&elsewhere)?;
    Ok(Start {
        seconds: result.with_context(|| name.to_owned())?,
        peak_bytes: peak?,
        other_connections,
    })
}

fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The time from the start to the first request, in seconds.
fn until_ready(runtime: &TcpListener, child: &mut Child, started: Instant) -> Result<f64> {
    loop {
        match runtime.accept() {
            Ok((stream, _)) => {
                first_request(stream)?;
                return Ok(started.elapsed().as_secs_f64());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = child.try_wait()? {
            bail!("ended before it was ready: {status}");
        }
        ensure!(started.elapsed() < PATIENCE, "not ready in {PATIENCE:?}");
        sleep(GLANCE);
    }
}

/// Reads a request's head and leaves it without an answer.
fn first_request(mut stream: TcpStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "the function hung up");
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    let head = String::from_utf8_lossy(&head);
    ensure!(head.starts_with(FIRST_REQUEST), "it asked {head:?}");
    Ok(())
}

fn peak_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.context("VmHWM")?.parse()?;
    Ok(kib * 1024)
}

/// How many have called a listener.
fn count(listener: &TcpListener) -> Result<u32> {
    let mut calls = 0;
    loop {
        match listener.accept() {
            Ok(_) => calls += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(calls),
            Err(error) => return Err(error.into()),
        }
    }
}
