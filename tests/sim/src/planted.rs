//! Bugs that are planted on purpose: the simulator must find each of them. They stand in the
//! twins and around the handlers, never in what ships.

use std::collections::BTreeSet;

use cattube_contract::event::VideoReady;
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::ChunkId;
use cattube_contract::{Envelope, Event, Metadata};
use cattube_ports::http::ApiRequest;
use serde_json::{Value, json};

use crate::kernel::Kernel;
use crate::state::{QueueId, QueueName, Who};
use crate::twins::time::timestamp;
use crate::wiring::DROP_OWNER;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Nobody is asked when retries are exhausted.
    NobodyAsked,
    /// Event ids are random.
    RandomEventIds,
    /// Finished chunks are counted.
    JoinCounts,
    /// A redo writes over the old making.
    GenerationsMixed,
    /// Segments are written after they were reported.
    LateSegments,
    /// A late event overwrites a terminal state.
    TerminalOverwritten,
    /// Messages are acknowledged before they are handled.
    AcknowledgesFirst,
    /// Tables forget the version condition.
    NoVersionCheck,
    /// Attempts are not counted.
    RetriesForEver,
    /// Permanent faults are tried again.
    RetriesPermanent,
    /// Nobody reads dead letters.
    NoDeadLetterReader,
    /// Deadlines are never set.
    NoWatchdog,
    /// A deletion forgets the work objects.
    PurgeForgetsWork,
    /// The API takes anybody for the owner.
    OwnerCheckDropped,
    /// A handler panics on what it cannot parse.
    PanicsOnBytes,
    /// A repeated S3 event makes another video.
    DropsMultiply,
}

/// Every planted bug, with the places of the invariants that it may be found by.
pub const BUGS: [(Bug, &[u8]); 16] = [
    (Bug::NobodyAsked, &[1]),
    (Bug::RandomEventIds, &[2]),
    (Bug::JoinCounts, &[2, 3, 4]),
    (Bug::GenerationsMixed, &[4, 5]),
    (Bug::LateSegments, &[5]),
    (Bug::TerminalOverwritten, &[6]),
    (Bug::AcknowledgesFirst, &[1, 7, 9, 15]),
    (Bug::NoVersionCheck, &[6, 7]),
    (Bug::RetriesForEver, &[8]),
    (Bug::RetriesPermanent, &[8]),
    (Bug::NoDeadLetterReader, &[9]),
    (Bug::NoWatchdog, &[1, 10]),
    (Bug::PurgeForgetsWork, &[11]),
    (Bug::OwnerCheckDropped, &[12]),
    (Bug::PanicsOnBytes, &[14]),
    (Bug::DropsMultiply, &[15]),
];

/// What a handler is given in place of a message's body.
#[must_use]
pub fn body_of(bug: Bug, from: QueueId, body: &str, number: u64) -> Option<String> {
    let name = (!from.is_dead).then_some(from.name);
    let mut value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => {
            assert!(bug != Bug::PanicsOnBytes, "{error}");
            return None;
        }
    };
    match (bug, name) {
        (Bug::RetriesForEver, Some(QueueName::Retry)) => {
            // The last attempt of a round passes for the first of the next.
            let attempt = value.pointer_mut("/detail/metadata/attempt")?;
            let count = attempt.as_u64()?;
            if count % 5 == 0 {
                *attempt = json!(count + 1);
            }
        }
        (Bug::RetriesPermanent, Some(QueueName::Retry)) => {
            *value.pointer_mut("/detail/data/fault")? = json!("transient");
        }
        (Bug::DropsMultiply, Some(QueueName::Ingest)) => {
            *value.pointer_mut("/detail/object/sequencer")? = json!(format!("{number:016X}"));
        }
        (Bug::NobodyAsked, Some(QueueName::Notify)) => {
            if value["detail-type"] == "RetriesExhausted" {
                value["detail-type"] = json!("VideoPlayable");
            }
        }
        _ => return None,
    }
    Some(value.to_string())
}

/// Asks as the owner, whoever asks.
pub fn impersonate(request: &mut ApiRequest) {
    if request.subject.as_deref() == Some("stranger") {
        request.subject = Some(DROP_OWNER.to_owned());
    }
}

/// After a late event, the record says what that event says.
pub fn overwrite(kernel: &Kernel, body: &str) {
    let Ok(envelope) = Envelope::parse_bus_event(body) else {
        return;
    };
    if let Event::VideoPlanned(_) = envelope.event {
        let metadata = &envelope.metadata;
        kernel.lock().overwrite(
            Who::Manage,
            &metadata.owner_id.to_string(),
            &metadata.video_id.to_string(),
            |body| body["state"] = json!("planned"),
        );
    }
}

/// A join that counts: it takes the film for whole as soon as as many chunks were reported as
/// are planned, whichever they are. Says so if it is wrong.
pub fn count(kernel: &Kernel, body: &str) {
    let Ok(envelope) = Envelope::parse_bus_event(body) else {
        return;
    };
    let metadata = envelope.metadata.clone();
    let mut state = kernel.lock();
    let counted = state.counted.entry(metadata.video_id).or_default();
    match &envelope.event {
        Event::VideoPlanned(planned) => {
            counted.planned = planned.video_chunk_count + planned.audio_chunk_count;
        }
        Event::ChunkTranscoded(transcoded) => {
            counted.count += 1;
            counted.chunks.insert(transcoded.chunk);
        }
        _ => {}
    }
    let whole = counted.planned as usize;
    if whole == 0 || counted.count < whole || counted.chunks.len() >= whole {
        return;
    }
    let keys = VideoKeys {
        owner_id: metadata.owner_id,
        video_id: metadata.video_id,
        generation: 1,
    };
    let event = Event::VideoReady(VideoReady {
        generation: 1,
        hls_key: keys.hls_master(),
        dash_key: keys.dash_manifest(),
        poster_key: keys.poster(),
        storyboard_key: keys.storyboard_vtt(),
        duration_ms: 0,
        size_bytes: 0,
        frame_count: 0,
    });
    let now = timestamp(state.now);
    let first = Metadata {
        attempt: 1,
        ..metadata
    };
    state.publish(&Envelope::follow(&first, &["1"], event, now));
}

/// What a join that counts knows of a video.
#[derive(Debug, Default)]
pub struct Counted {
    count: usize,
    planned: u32,
    chunks: BTreeSet<ChunkId>,
}

/// A key that knows no generation.
#[must_use]
pub fn unnumbered(key: &str) -> String {
    key.replace("/g2/", "/g1/").replace("/g3/", "/g1/")
}
