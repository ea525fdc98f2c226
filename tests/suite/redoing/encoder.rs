//! The real encoder, watched: it counts what it is asked for, and remembers what it made of
//! the same bytes by the same arguments, so that a run over and over is quick.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_contract::Fault;
use cattube_core::digest::sha256_hex;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::{Encoder, PortError, Workspace};

use super::stage::has_ending;

/// What a run made: its exit and its files.
type Run = (EncoderExit, BTreeMap<String, Bytes>);

fn remembered() -> &'static Mutex<HashMap<String, Run>> {
    static RUNS: OnceLock<Mutex<HashMap<String, Run>>> = OnceLock::new();
    RUNS.get_or_init(Mutex::default)
}

/// A filter that a run asks for and that makes it fail.
type Broken = Arc<Mutex<Option<&'static str>>>;

/// The encoder.
#[derive(Clone, Default)]
pub struct Watched {
    runs: Arc<Mutex<Vec<Vec<String>>>>,
    broken: Broken,
}

impl Watched {
    /// How many files of renditions each run since the last time was asked for.
    pub fn take_runs(&self) -> Vec<usize> {
        let runs = std::mem::take(&mut *self.runs.lock().unwrap());
        let files = |args: &Vec<String>| {
            let made = args.iter().filter(|arg| {
                let picture = arg.starts_with('r') && has_ending(arg, "mp4");
                picture || *arg == "audio.mp4"
            });
            made.count()
        };
        runs.iter().map(files).collect()
    }

    /// From now on every run whose arguments hold this fails.
    pub fn break_on(&self, part: Option<&'static str>) {
        *self.broken.lock().unwrap() = part;
    }
}

#[async_trait]
impl Encoder for Watched {
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError> {
        Ok(Box::new(Watching {
            encoder: self.clone(),
            inner: Ffmpeg.open().await?,
            input: Vec::new(),
            made: BTreeMap::new(),
        }))
    }
}

struct Watching {
    encoder: Watched,
    inner: Box<dyn Workspace>,
    input: Vec<u8>,
    made: BTreeMap<String, Bytes>,
}

#[async_trait]
impl Workspace for Watching {
    async fn append(&mut self, name: &str, bytes: Bytes) -> Result<(), PortError> {
        self.input.extend_from_slice(&bytes);
        self.inner.append(name, bytes).await
    }

    async fn run(&mut self, args: &[String], limit: Duration) -> Result<EncoderExit, PortError> {
        self.encoder.runs.lock().unwrap().push(args.to_vec());
        let broken = *self.encoder.broken.lock().unwrap();
        if broken.is_some_and(|part| args.iter().any(|arg| arg.contains(part))) {
            return Ok(EncoderExit {
                success: false,
                stderr: "broken as planned".to_owned(),
                stdout: Vec::new(),
            });
        }
        let key = sha256_hex(format!("{} {}", args.join("\n"), sha256_hex(&self.input)).as_bytes());
        let known = remembered().lock().unwrap().get(&key).cloned();
        let (exit, made) = if let Some(run) = known {
            run
        } else {
            let exit = self.inner.run(args, limit).await?;
            let mut made = BTreeMap::new();
            for name in self.inner.list().await? {
                made.insert(name.clone(), self.inner.read(&name).await?);
            }
            let run = (exit, made);
            remembered().lock().unwrap().insert(key, run.clone());
            run
        };
        self.made = made;
        Ok(exit)
    }

    async fn list(&self) -> Result<Vec<String>, PortError> {
        Ok(self.made.keys().cloned().collect())
    }

    async fn read(&self, name: &str) -> Result<Bytes, PortError> {
        self.made
            .get(name)
            .cloned()
            .ok_or_else(|| PortError::Encoder {
                operation: "read",
                fault: Fault::Permanent,
                reason: format!("no file {name}"),
            })
    }
}
