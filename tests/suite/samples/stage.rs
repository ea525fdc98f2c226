//! Sets the stage for a sample: the objects, uploads and videos that it speaks of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::{ChunkTranscoded, MasterLocation, VideoUploaded};
use cattube_contract::key::{MasterKey, VideoKeys};
use cattube_contract::plan::Quality;
use cattube_contract::report::{ChunkReport, StoredReport};
use cattube_contract::size::Sizes;
use cattube_contract::{
    Command, CommandMessage, Envelope, Event, EventId, Metadata, OwnerId, VideoId,
};
use cattube_core::upload::{Upload, UploadRequest, UploadState};
use cattube_core::video::is_of_a_video;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::fakes::{FaultPlan, MemoryEncoder, RunFiles};
use cattube_ports::objects::{NewObject, ObjectHead};
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Clock, MultipartUploads, Objects};
use cattube_tests::rules::bus_body;
use cattube_tests::world::{Message, World};
use serde_json::Value;

use super::announced::Announced;
use super::{Sample, kebab, samples};
use crate::tree;

/// The bytes of a part of a staged upload, and of the whole of it.
const PART_BYTES: u64 = 5;
const UPLOAD_BYTES: u64 = 14;

/// The size of an uploaded master where a sample does not tell it.
const UPLOADED_BYTES: u64 = 48_619_520;

/// An empty world whose encoder fails: no sample gets so far.
pub fn world() -> World {
    let encoder = MemoryEncoder::new(FaultPlan::none(), |_, _| {
        let exit = EncoderExit {
            success: false,
            stderr: String::new(),
            stdout: Vec::new(),
        };
        (exit, RunFiles::new())
    });
    World::new(Arc::new(encoder), Quality::Crf(23), &FaultPlan::none())
}

/// Every file of `events/bus/` by its name: the one entry that it holds.
pub fn bus_entries() -> Vec<(String, Value)> {
    let paths = tree::files("events/bus", ".json").into_iter();
    paths
        .map(|path| {
            let mut entries: Vec<Value> = serde_json::from_str(&tree::read(&path)).unwrap();
            let name = path.rsplit('/').next().unwrap().trim_end_matches(".json");
            assert_eq!(entries.len(), 1, "{path}");
            (name.to_owned(), entries.remove(0))
        })
        .collect()
}

/// Puts everything into the world that the sample takes for granted.
pub async fn set(world: &mut World, sample: &Sample) {
    match sample.function.as_str() {
        "upload" => {
            for (owner, video) in known("upload") {
                open_upload(world, owner, video).await;
            }
        }
        "manage" if sample.is_http() => {
            for (owner, video) in known("manage") {
                take_in(world, owner, video).await;
            }
        }
        "notify" if sample.is_http() => ask_people(world).await,
        "retry" => {
            // A deadline is of no use without its master.
            for (_, body) in sample.records() {
                let body: Value = serde_json::from_str(&body).unwrap_or_default();
                if let Some(key) = body.pointer("/data/job/master/key").and_then(Value::as_str) {
                    world.masters.put_master(key, "master", &[]);
                }
            }
        }
        "ingest" | "plan" => {
            let bodies = sample.records().into_iter();
            let masters = bodies.filter_map(|(_, body)| announced(&body)).collect();
            let store = Announced {
                store: Arc::new(world.masters.clone()),
                masters,
            };
            let store: Arc<dyn Objects> = Arc::new(store);
            world.ingest.objects = Arc::clone(&store);
            world.plan.objects = store;
        }
        "transcode" => {
            for (_, body) in sample.records() {
                if let Ok(message) = CommandMessage::parse(&body) {
                    finish_chunk(world, message).await;
                }
            }
        }
        _ => {}
    }
    world.route();
    world.history.clear();
}

/// A ticket about a failed chunk, whose links have the key of the samples.
async fn ask_people(world: &World) {
    let samples = samples("notify").into_iter();
    let mut asking = samples.filter(|sample| sample.name == "human-requested-for-a-chunk");
    let (_, body) = asking.next().unwrap().records().remove(0);
    world.notify.handle(&body).await.unwrap();
    let tickets = world.tickets.items().into_iter();
    let mut tickets = tickets.filter(|(_, item)| item.sort_key == "ticket");
    let (id, item) = tickets.next().unwrap();
    let mut ticket = item.body;
    ticket["key"] = Value::from("5a".repeat(32));
    let table = &world.notify.table;
    let version = Some(item.version);
    table.save(&id, "ticket", version, &ticket).await.unwrap();
}

/// The owners and videos of a function's happy requests: those exist.
fn known(function: &str) -> BTreeSet<(OwnerId, VideoId)> {
    let samples = samples(function).into_iter();
    let happy = samples.filter(|sample| !sample.rejected && sample.is_http());
    happy
        .filter_map(|sample| {
            let claims = &sample.payload["requestContext"]["authorizer"]["jwt"]["claims"];
            let owner = OwnerId::of_subject(claims["sub"].as_str()?);
            Some((
                owner,
                sample.payload["pathParameters"]["id"]
                    .as_str()?
                    .parse()
                    .ok()?,
            ))
        })
        .collect()
}

/// The master that an S3 event or a command speaks of.
fn announced(body: &str) -> Option<(String, ObjectHead)> {
    let body: Value = serde_json::from_str(body).ok()?;
    let object = body
        .pointer("/detail/object")
        .or(body.pointer("/data/master"))
        .or(body.pointer("/detail/data"))?;
    let key = object["key"].as_str()?.to_owned();
    // The end of an upload tells no size.
    let size = object.get("size").or(object.get("size_bytes"));
    let size_bytes = size.map_or(Some(UPLOADED_BYTES), Value::as_u64)?;
    let notes = [
        ("cattube-title", "Maunzi%20am%20Fenster".to_owned()),
        ("cattube-sizes", "1080,720,480,360".to_owned()),
        ("cattube-size-bytes", size_bytes.to_string()),
    ];
    let head = ObjectHead {
        size_bytes,
        etag: object["etag"].as_str()?.to_owned(),
        metadata: notes.map(|(name, note)| (name.to_owned(), note)).into(),
    };
    Some((key, head))
}

/// An open upload whose parts have all arrived.
async fn open_upload(world: &World, owner: OwnerId, video: VideoId) {
    let key = MasterKey::Uploaded {
        owner_id: owner,
        video_id: video,
    }
    .to_string();
    let store_upload = world
        .masters
        .begin(&key, "video/mp4", &BTreeMap::new())
        .await
        .unwrap();
    let upload = Upload {
        video_id: video,
        request: UploadRequest {
            title: "Maunzi am Fenster".to_owned(),
            size_bytes: UPLOAD_BYTES,
            content_type: "video/mp4".to_owned(),
            sizes: Sizes::Auto,
        },
        part_size_bytes: PART_BYTES,
        state: UploadState::Open,
        created_at: world.clock.now(),
        store_upload,
        attempt: 1,
        accepted: false,
        reason: None,
    };
    for number in 1..=upload.part_count() {
        let valid_for = std::time::Duration::from_mins(1);
        let url = world
            .masters
            .part_url(&key, &upload.store_upload, number, valid_for)
            .await;
        let bytes = vec![0; usize::try_from(upload.part_bytes(number).unwrap()).unwrap()];
        world.masters.put_part(&url.unwrap(), bytes).unwrap();
    }
    let body = serde_json::to_value(&upload).unwrap();
    let (partition, sort) = (owner.to_string(), format!("upload#{video}"));
    world
        .upload
        .table
        .save(&partition, &sort, None, &body)
        .await
        .unwrap();
}

/// A video in the catalogue.
async fn take_in(world: &World, owner: OwnerId, video: VideoId) {
    let metadata = Metadata {
        event_id: EventId::derive("staged", &[&video.to_string()]),
        video_id: video,
        owner_id: owner,
        caused_by: None,
        attempt: 1,
        hop: 1,
        schema: SCHEMA,
        occurred_at: world.clock.now(),
    };
    let key = MasterKey::Uploaded {
        owner_id: owner,
        video_id: video,
    }
    .to_string();
    let event = Event::VideoUploaded(VideoUploaded {
        master: MasterLocation {
            key,
            etag: "e".to_owned(),
            size_bytes: UPLOAD_BYTES,
        },
        title: "Maunzi am Fenster".to_owned(),
        sizes: Sizes::Auto,
        generation: 1,
    });
    world
        .manage
        .handle(&bus_body(&Envelope { metadata, event }))
        .await
        .unwrap();
}

/// The report of a chunk that was transcoded before: the command only brings its event again.
async fn finish_chunk(world: &World, message: CommandMessage) {
    let Command::TranscodeChunk(command) = message.command else {
        return;
    };
    let keys = VideoKeys {
        owner_id: message.metadata.owner_id,
        video_id: message.metadata.video_id,
        generation: command.generation,
    };
    let event = ChunkTranscoded {
        generation: command.generation,
        chunk: command.chunk,
        worker: "worker".to_owned(),
        started_at: world.clock.now(),
        finished_at: world.clock.now(),
        read_bytes: command.slice.length_bytes,
        written_bytes: 1,
    };
    let report = ChunkReport {
        chunk: command.chunk,
        renditions: BTreeMap::new(),
        seam: None,
        thumbnail_pts: Vec::new(),
        read_bytes: command.slice.length_bytes,
    };
    let stored = StoredReport { event, report };
    let object = NewObject {
        key: keys.report(command.chunk),
        bytes: serde_json::to_vec(&stored).unwrap().into(),
        content_type: "application/json",
        cache_control: "no-store",
    };
    world.masters.put(object).await.unwrap();
}

/// Whether `retry` says nothing to a sample of this name: a command is all that follows.
fn is_quiet(name: &str) -> bool {
    const QUIET: [&str; 5] = ["forward", "begin", "watch", "unwatch", "answer"];
    QUIET.iter().any(|word| name.starts_with(word))
}

/// The events that a happy batch publishes: one a message, the one that its name begins
/// with, or else what its function is there for.
pub fn published(sample: &Sample) -> Vec<&'static str> {
    const REFUSALS: [&str; 8] = [
        "UploadAbandoned",
        "VideoAbandoned",
        "MessageBuried",
        "VideoRejected",
        "UploadFailed",
        "RetriesExhausted",
        "PlanFailed",
        "ChunkFailed",
    ];
    let usual = match sample.function.as_str() {
        "upload" if sample.name.starts_with("check") => "UploadFailed",
        "upload" if sample.name.starts_with("resume") => "UploadResumed",
        "ingest" => "VideoUploaded",
        "plan" => "VideoPlanned",
        "transcode" => "ChunkTranscoded",
        "retry" if is_quiet(&sample.name) => return Vec::new(),
        "retry" => "RetryScheduled",
        // One cause, one question, however many failures a batch tells of.
        "notify" if sample.name.starts_with("human-requested") => return vec!["HumanRequested"],
        "notify" if sample.name.starts_with("message-buried") => return vec!["MessageBuried"],
        _ => return Vec::new(),
    };
    let named = REFUSALS
        .into_iter()
        .find(|event| sample.name.starts_with(&kebab(event)));
    vec![named.unwrap_or(usual); sample.records().len()]
}

/// What the consumers of events were told must be in their tables, and what is planned must
/// be queued.
pub async fn check_kept(world: &World, sample: &Sample) {
    if sample.function == "plan" {
        let queued = world.waiting.iter().filter(|message| {
            matches!(message, Message::Chunk(body) if CommandMessage::parse(body).is_ok())
        });
        assert!(
            queued.count() >= 2,
            "{}: a chunk of each track",
            sample.name
        );
    }
    if !matches!(sample.function.as_str(), "assemble" | "manage") {
        return;
    }
    for (_, body) in sample.records() {
        // What removes leaves no trace of itself.
        if CommandMessage::parse(&body).is_ok() {
            continue;
        }
        let Envelope { metadata, event } = Envelope::parse_bus_event(&body).unwrap();
        let (owner, video) = (metadata.owner_id.to_string(), metadata.video_id.to_string());
        let kept = if sample.function == "assemble" {
            world.assemble.table.load(&video, "join").await
        } else {
            world.manage.table.load(&owner, &video).await
        };
        // What proves no video makes no record.
        let is_first = sample.function == "assemble" || is_of_a_video(&event);
        let of_a_video = metadata.video_id != VideoId::NONE && is_first;
        assert_eq!(kept.unwrap().is_some(), of_a_video, "{}", sample.name);
    }
}
