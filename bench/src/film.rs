//! A master with the plan that the real `plan` makes of it, and the real `transcode` to run
//! its chunks, or the whole of it as if it were one. Storage and queues are in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use bytes::Bytes;
use cattube_contract::command::{PlanVideo, TranscodeChunk};
use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::MasterLocation;
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{ChunkWork, Quality, SliceRef, Track};
use cattube_contract::size::Sizes;
use cattube_contract::{Command, CommandMessage, Event, EventId, Metadata, OwnerId, VideoId};
use cattube_core::container::{self, SparseBytes, VideoTrack};
use cattube_core::ladder::DEFAULT_CRF;
use cattube_core::slice::{Part, Slice};
use cattube_ports::Objects;
use cattube_ports::fakes::{FaultPlan, ManualClock, MemoryBus, MemoryObjects, MemoryQueue};
use cattube_ports::objects::NewObject;
use cattube_ports::outcome::MessageHandler;
use jiff::Timestamp;
use plan::Planner;
use transcode::Worker;

use crate::jobs::{Made, picture};
use crate::meter::Meter;
use crate::numbers::length;

/// Where the master lies.
const MASTER_KEY: &str = "drop/film.mp4";

/// As `template.yaml` has it.
const ENCODE_LIMIT: Duration = Duration::from_secs(270);

/// A film and everything that makes it.
pub struct Film {
    /// The master's size.
    pub master_bytes: u64,
    /// Every chunk of the plan.
    pub jobs: Vec<TranscodeChunk>,
    metadata: Metadata,
    masters: MemoryObjects,
    media: MemoryObjects,
    bus: MemoryBus,
    worker: Worker,
    calls: FaultPlan,
    meter: Meter,
    recipes: Vec<u8>,
    whole: SliceRef,
    generation: u32,
}

impl Film {
    /// Lets a master be planned.
    pub async fn plan(master: &Path, sizes: &str) -> Result<Self> {
        let bytes = std::fs::read(master)?;
        let mut sparse = SparseBytes::new(length(&bytes));
        sparse.insert(0, bytes.clone());
        let index = container::index(&sparse).map_err(|error| Error::msg(format!("{error:?}")))?;
        drop(sparse);

        let calls = FaultPlan::none();
        let meter = Meter::default();
        let masters = MemoryObjects::new(calls.clone());
        let media = MemoryObjects::new(calls.clone());
        let bus = MemoryBus::new(calls.clone());
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let master_bytes = length(&bytes);
        masters.put_master(MASTER_KEY, bytes, &[]);
        let chunks = MemoryQueue::new(calls.clone());
        let planner = Planner {
            objects: Arc::new(masters.clone()),
            bus: Arc::new(bus.clone()),
            chunks: Arc::new(chunks.clone()),
            encoder: Arc::new(meter.clone()),
            clock: clock.clone(),
            quality: Quality::Crf(DEFAULT_CRF),
        };
        let metadata = outside();
        let body = plan_video(&masters, &metadata, Sizes::parse(sizes)?).await?;
        planner.handle(&body).await?;
        let queued = chunks.drain();
        let jobs = queued.iter().map(|message| job(&message.body));
        let jobs: Vec<_> = jobs.collect::<Result<_>>()?;
        let worker = Worker {
            masters: Arc::new(masters.clone()),
            media: Arc::new(media.clone()),
            bus: Arc::new(bus.clone()),
            encoder: Arc::new(meter.clone()),
            encode_limit: ENCODE_LIMIT,
            clock,
            name: "bench".to_owned(),
        };
        let nothing = SliceRef {
            offset_bytes: 0,
            length_bytes: 0,
        };
        let mut film = Self {
            master_bytes,
            jobs,
            metadata,
            masters,
            media,
            bus,
            worker,
            calls,
            meter,
            recipes: Vec::new(),
            whole: nothing,
            generation: 1,
        };
        film.add_whole(&index.video)?;
        Ok(film)
    }

    /// Takes the recipes as `plan` stored them, with one more behind them: all of the master.
    fn add_whole(&mut self, video: &VideoTrack) -> Result<()> {
        let stored = self.masters.bytes_of(&self.keys().slices());
        self.recipes = stored.context("the plan's slices")?.to_vec();
        let whole = Slice {
            parts: vec![Part::Master(0..self.master_bytes)],
            format: "mov".to_owned(),
            stream: video.stream,
            timescale: video.timescale,
            origin_ticks: video.origin_ticks,
            expected_pts: None,
        };
        let recipe = whole.to_bytes();
        self.whole = SliceRef {
            offset_bytes: length(&self.recipes),
            length_bytes: length(&recipe),
        };
        self.recipes.extend(recipe);
        Ok(())
    }

    fn keys(&self) -> VideoKeys {
        VideoKeys {
            owner_id: self.metadata.owner_id,
            video_id: self.metadata.video_id,
            generation: self.generation,
        }
    }

    /// The chunks of a track, in order.
    pub fn chunks(&self, track: Track) -> Vec<TranscodeChunk> {
        let jobs = self.jobs.iter().filter(|job| job.chunk.track == track);
        let mut jobs: Vec<_> = jobs.cloned().collect();
        jobs.sort_by_key(|job| job.chunk.index);
        jobs
    }

    /// All pictures as one chunk, read from the master as it is.
    pub fn whole(&self) -> Result<TranscodeChunk> {
        let chunks = self.chunks(Track::Video);
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else {
            bail!("a plan has pictures");
        };
        let mut whole = first.clone();
        whole.slice = self.whole.clone();
        let end = picture(last)?.0.end;
        if let ChunkWork::Video { range, .. } = &mut whole.work {
            range.end = end;
        }
        Ok(whole)
    }

    /// A chunk's recipe.
    pub fn slice(&self, job: &TranscodeChunk) -> Result<Slice> {
        let start = usize::try_from(job.slice.offset_bytes)?;
        let end = start + usize::try_from(job.slice.length_bytes)?;
        let bytes = self.recipes.get(start..end).context("a stored recipe")?;
        Ok(Slice::parse(bytes)?)
    }

    /// From now on chunks are made anew, as those of another generation.
    pub async fn again(&mut self) -> Result<()> {
        self.generation += 1;
        let object = NewObject {
            key: self.keys().slices(),
            bytes: Bytes::copy_from_slice(&self.recipes),
            content_type: "application/octet-stream",
            cache_control: "no-store",
        };
        Ok(self.masters.put(object).await?)
    }

    /// Has the real worker make a chunk.
    pub async fn make(&mut self, job: &TranscodeChunk) -> Result<Made> {
        let mut job = job.clone();
        job.generation = self.generation;
        let message = CommandMessage {
            metadata: self.metadata.clone(),
            command: Command::TranscodeChunk(Box::new(job)),
        };
        let calls_before = self.calls.calls();
        self.worker.handle(&message.to_body()?).await?;
        let calls = self.calls.trace().split_off(calls_before);
        let events = self.bus.drain();
        let Some(Event::ChunkTranscoded(event)) = events.last().map(|envelope| &envelope.event)
        else {
            bail!("{:?}", events.last());
        };
        let runs = self.meter.take();
        let [run] = runs.as_slice() else {
            bail!("a chunk is one run of ffmpeg, not {}", runs.len());
        };
        let count = |name: &str| length_of(calls.iter().filter(|call| call.starts_with(name)));
        Ok(Made {
            run: *run,
            written_bytes: event.written_bytes,
            read_bytes: event.read_bytes,
            puts: count("put "),
            gets: count("get ") + count("get_range "),
        })
    }

    /// The segments of this generation: rendition and start.
    pub fn segments(&self) -> BTreeSet<String> {
        let mark = format!("/g{}/", self.generation);
        let keys = self.media.keys().into_iter();
        let names = keys.filter_map(|key| Some(key.split_once(&mark)?.1.to_owned()));
        names.filter(|name| name.contains(".m4s")).collect()
    }
}

fn length_of<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |count, _| count + 1)
}

/// The fact from outside that it all follows from.
fn outside() -> Metadata {
    let now = Timestamp::now();
    Metadata {
        event_id: EventId::derive("Bench", &[]),
        video_id: VideoId::new(now, 1),
        owner_id: OwnerId::of_subject("bench"),
        caused_by: None,
        attempt: 1,
        hop: 0,
        schema: SCHEMA,
        occurred_at: now,
    }
}

/// The command that `ingest` would send.
async fn plan_video(objects: &dyn Objects, metadata: &Metadata, sizes: Sizes) -> Result<String> {
    let head = objects.head(MASTER_KEY).await?.context("the master")?;
    let command = PlanVideo {
        generation: 1,
        master: MasterLocation {
            key: MASTER_KEY.to_owned(),
            etag: head.etag,
            size_bytes: head.size_bytes,
        },
        sizes,
        base: None,
        requeue: false,
    };
    let message = CommandMessage {
        metadata: metadata.clone(),
        command: Command::PlanVideo(command),
    };
    Ok(message.to_body()?)
}

fn job(body: &str) -> Result<TranscodeChunk> {
    let Command::TranscodeChunk(job) = CommandMessage::parse(body)?.command else {
        bail!("the chunks queue holds chunks");
    };
    Ok(*job)
}
