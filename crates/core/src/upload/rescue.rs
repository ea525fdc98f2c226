//! An upload that stalls, fails, or is not taken up: what a look at it leads to, and where it
//! goes on. Whether it goes on at all is decided in `retry`.

use std::collections::BTreeMap;

use cattube_contract::command::CheckUpload;
use cattube_contract::event::{UploadAbandoned, UploadCompleted, UploadFailed};
use cattube_contract::{Event, Fault};

use super::{Part, Upload, UploadState};

/// How often the same is said without an answer, before it is taken for a failure. Each wait is
/// twice as long as the one before.
pub const MAX_ROUNDS: u32 = 6;

/// Why an upload ended that its client cancelled.
const CANCELLED: &str = "the client cancelled the upload";

/// What is said of an upload that its client cancelled.
#[must_use]
pub fn cancellation() -> Event {
    Event::UploadAbandoned(UploadAbandoned {
        attempts: 0,
        reason: CANCELLED.to_owned(),
    })
}

/// What the store has of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Parts of an upload that is open.
    Parts(Vec<Part>),
    /// The finished object.
    Object {
        /// Its entity tag.
        etag: String,
        /// Its size.
        size_bytes: u64,
    },
    /// Neither: the store gave the parts up, or the object was removed.
    Nothing,
}

impl Found {
    /// The bytes of the parts.
    #[must_use]
    pub fn arrived_bytes(&self) -> u64 {
        match self {
            Self::Parts(parts) => parts
                .iter()
                .map(|part| part.size_bytes)
                .fold(0, u64::saturating_add),
            Self::Object { size_bytes, .. } => *size_bytes,
            Self::Nothing => 0,
        }
    }

    /// Whether it is the finished object, as large as was announced.
    fn is_whole(&self, upload: &Upload) -> bool {
        matches!(self, Self::Object { size_bytes, .. } if *size_bytes == upload.request.size_bytes)
    }
}

/// When to look at an upload again, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What has arrived so far.
    pub arrived_bytes: u64,
    /// How often the same was said without an answer.
    pub round: u32,
    /// How long to wait.
    pub after_seconds: u64,
}

impl Look {
    /// The first look after parts were granted.
    #[must_use]
    pub fn first(upload: &Upload, arrived_bytes: u64, deadline_seconds: u64) -> Self {
        Self::at_round(upload, arrived_bytes, 0, deadline_seconds)
    }

    fn at_round(upload: &Upload, arrived_bytes: u64, round: u32, deadline_seconds: u64) -> Self {
        let patience = upload.patience_seconds(deadline_seconds);
        Self {
            arrived_bytes,
            round,
            after_seconds: patience.saturating_mul(2_u64.pow(round.min(MAX_ROUNDS))),
        }
    }
}

/// What a look leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// In a word or two, for the log.
    pub action: &'static str,
    /// Where the upload stands.
    pub state: UploadState,
    /// What there is to say.
    pub event: Option<Event>,
    /// Whether to look again.
    pub again: Option<Look>,
}

/// Judges an upload whose deadline came: `seen` is what was known when it was set, in
/// `attempt`. `key` is its object's.
#[must_use]
pub fn check(
    upload: &Upload,
    key: &str,
    found: &Found,
    (attempt, seen): (u32, &CheckUpload),
    deadline_seconds: u64,
) -> Checked {
    if upload.is_cancelled_by_client() {
        return cancelled(upload, seen.round, deadline_seconds);
    }
    if upload.is_over() {
        return Checked {
            action: "over",
            state: upload.state,
            event: None,
            again: None,
        };
    }
    if attempt < upload.attempt {
        // A later attempt has a deadline of its own, unless that deleted itself with an older
        // one of its name: so there is one in any case.
        return Checked {
            action: "of an earlier attempt",
            state: upload.state,
            event: None,
            again: Some(Look::first(upload, found.arrived_bytes(), deadline_seconds)),
        };
    }
    let arrived_bytes = found.arrived_bytes();
    let look = |round| Look::at_round(upload, arrived_bytes, round, deadline_seconds);
    let seconds = Look::at_round(upload, 0, seen.round, deadline_seconds).after_seconds;
    let (action, state, event) = match found {
        Found::Parts(_) if arrived_bytes > seen.arrived_bytes => {
            return Checked {
                action: "growing",
                state: upload.state,
                event: None,
                again: Some(look(0)),
            };
        }
        Found::Parts(parts) => {
            let missing = upload.missing_parts(parts, &BTreeMap::new());
            let event = stalled(upload, missing.len(), seconds);
            ("stalled", UploadState::Open, event)
        }
        Found::Nothing => {
            let reason = "the store has neither its parts nor its object".to_owned();
            ("lost", upload.state, failed(upload, reason))
        }
        Found::Object { size_bytes, .. } if !found.is_whole(upload) => {
            let announced = upload.request.size_bytes;
            let reason = format!("{announced} bytes were announced, {size_bytes} arrived");
            ("mismatched", upload.state, failed(upload, reason))
        }
        Found::Object { etag, .. } => {
            let event = unheard(key, etag, seen.round, seconds);
            ("not taken up", UploadState::Completed, event)
        }
    };
    // What is whole is never left alone, and never given up by a machine.
    let is_watched = seen.round < MAX_ROUNDS || found.is_whole(upload);
    Checked {
        action,
        state,
        event: Some(event),
        again: is_watched.then(|| look(seen.round.saturating_add(1))),
    }
}

/// Its client cancelled it, and this function itself has not heard of that: nobody may have.
fn cancelled(upload: &Upload, round: u32, deadline_seconds: u64) -> Checked {
    let next = round.saturating_add(1);
    Checked {
        action: "cancelled",
        state: upload.state,
        event: Some(cancellation()),
        again: (round < MAX_ROUNDS).then(|| Look::at_round(upload, 0, next, deadline_seconds)),
    }
}

fn stalled(upload: &Upload, missing: usize, seconds: u64) -> Event {
    let reason = if missing == 0 {
        format!("every part has arrived, and nobody completed the upload for {seconds} s")
    } else {
        let count = upload.part_count();
        format!("no part arrived for {seconds} s; {missing} of {count} are missing")
    };
    Event::UploadFailed(UploadFailed {
        fault: Fault::Transient,
        reason,
        missing_part_count: u32::try_from(missing).ok(),
    })
}

/// Nothing of what is there can be used.
fn failed(upload: &Upload, reason: String) -> Event {
    Event::UploadFailed(UploadFailed {
        fault: Fault::Transient,
        reason,
        missing_part_count: Some(upload.part_count()),
    })
}

/// The object is whole, and its event was lost, or nobody can take it up: it is said again and
/// again, and at times that it failed, so that a person hears of it.
fn unheard(key: &str, etag: &str, round: u32, seconds: u64) -> Event {
    if round % (MAX_ROUNDS + 1) < MAX_ROUNDS {
        return Event::UploadCompleted(UploadCompleted {
            key: key.to_owned(),
            etag: etag.to_owned(),
        });
    }
    Event::UploadFailed(UploadFailed {
        fault: Fault::Permanent,
        reason: format!(
            "the file is whole, and nobody took it up: it was said {round} times, {seconds} s ago at last"
        ),
        missing_part_count: Some(0),
    })
}

/// Where a failed upload goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// Nowhere: it has ended, or a later attempt goes on already.
    Over,
    /// Its object is there after all.
    Complete,
    /// With these parts.
    Missing(Vec<u32>),
    /// With all parts, in a new upload of the store: nothing of the old one can be used.
    Afresh,
}

/// Judges where attempt `attempt` of an upload goes on. The same attempt again says the same
/// again.
#[must_use]
pub fn resume(upload: &Upload, found: &Found, attempt: u32) -> Resume {
    if upload.is_over() || attempt < upload.attempt {
        return Resume::Over;
    }
    match found {
        Found::Parts(parts) => Resume::Missing(upload.missing_parts(parts, &BTreeMap::new())),
        Found::Object { .. } if found.is_whole(upload) => Resume::Complete,
        Found::Object { .. } | Found::Nothing => Resume::Afresh,
    }
}

#[cfg(test)]
mod tests;
