//! Which events concern people, and what they are about.

use cattube_contract::event::{
    FailedWork, MessageBuried, RetriesExhausted, Stage, UploadAbandoned,
};
use cattube_contract::{Envelope, Event, Metadata, OwnerId, VideoId};
use serde::{Deserialize, Serialize};

use super::Failure;

/// What a ticket is about. Failures of the same cause share one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// Work on one making of a video failed for good.
    Making {
        /// Which video.
        video_id: VideoId,
        /// Which making of it.
        generation: u32,
    },
    /// An upload was given up, or is whole and not taken up.
    Upload {
        /// The video that it would have become.
        video_id: VideoId,
    },
    /// Messages of a queue could not be handled.
    Message {
        /// Whose, so that nobody learns of another's.
        owner_id: OwnerId,
        /// The queue that they stood in.
        queue: String,
        /// Why, without what differs from message to message: `#` for numbers and ids.
        reason: String,
    },
    /// An alarm of the infrastructure.
    Alarm {
        /// Its name.
        name: String,
    },
}

impl Cause {
    /// What makes it this cause: the same text, the same cause.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Making {
                video_id,
                generation,
            } => format!("making {video_id} {generation}"),
            Self::Upload { video_id } => format!("upload {video_id}"),
            Self::Message {
                owner_id,
                queue,
                reason,
            } => format!("message {owner_id} {queue} {reason}"),
            Self::Alarm { name } => format!("alarm {name}"),
        }
    }

    /// Which making of a video it is about; 0 if none.
    #[must_use]
    pub fn generation(&self) -> u32 {
        match self {
            Self::Making { generation, .. } => *generation,
            Self::Upload { .. } | Self::Message { .. } | Self::Alarm { .. } => 0,
        }
    }

    /// The partition of what it is about, if that can end by itself.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::Making { video_id, .. } | Self::Upload { video_id } => {
                Some(video_subject(*video_id))
            }
            Self::Alarm { name } => Some(alarm_subject(name)),
            Self::Message { .. } => None,
        }
    }
}

/// The partition of a video.
#[must_use]
pub fn video_subject(video_id: VideoId) -> String {
    format!("video#{video_id}")
}

/// The partition of an alarm.
#[must_use]
pub fn alarm_subject(name: &str) -> String {
    format!("alarm#{name}")
}

/// A failure that people must know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// What it is about.
    pub cause: Cause,
    /// What failed.
    pub failure: Failure,
}

impl Concern {
    /// What of an event concerns people, if anything. That a client cancelled its own upload
    /// does not.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Option<Self> {
        let metadata = &envelope.metadata;
        match &envelope.event {
            Event::RetriesExhausted(exhausted) => Some(exhaustion(metadata, exhausted)),
            Event::UploadAbandoned(abandoned) if abandoned.attempts > 0 => {
                Some(abandonment(metadata, abandoned))
            }
            Event::MessageBuried(buried) => Some(burial(metadata, buried)),
            Event::UploadAbandoned(_)
            | Event::UploadRequested(_)
            | Event::UploadFailed(_)
            | Event::UploadResumed(_)
            | Event::UploadCompleted(_)
            | Event::VideoUploaded(_)
            | Event::VideoPlanned(_)
            | Event::VideoRejected(_)
            | Event::PlanFailed(_)
            | Event::ChunkTranscoded(_)
            | Event::ChunkFailed(_)
            | Event::JoinFailed(_)
            | Event::VideoPlayable(_)
            | Event::VideoReady(_)
            | Event::VideoDeleted(_)
            | Event::RetryScheduled(_)
            | Event::RetryRequested(_)
            | Event::VideoAbandoned(_)
            | Event::HumanRequested(_)
            | Event::HumanAnswered(_) => None,
        }
    }
}

fn failure(metadata: &Metadata, name: String, reason: &str) -> Failure {
    Failure {
        name,
        event_id: metadata.event_id,
        video_id: metadata.video_id,
        owner_id: metadata.owner_id,
        attempt: metadata.attempt,
        hop: metadata.hop,
        occurred_at: metadata.occurred_at,
        reason: reason.to_owned(),
        rendition: None,
        work: None,
    }
}

fn exhaustion(metadata: &Metadata, exhausted: &RetriesExhausted) -> Concern {
    let name = match (exhausted.stage, exhausted.chunk) {
        (Stage::Upload, _) => "upload".to_owned(),
        (Stage::Join, _) => "join".to_owned(),
        (Stage::Deadline, _) => "deadline".to_owned(),
        (Stage::Work, Some(chunk)) => chunk.to_string(),
        (Stage::Work, None) => "plan".to_owned(),
    };
    let video_id = metadata.video_id;
    let cause = if exhausted.stage == Stage::Upload {
        Cause::Upload { video_id }
    } else {
        Cause::Making {
            video_id,
            generation: exhausted.generation,
        }
    };
    Concern {
        cause,
        failure: Failure {
            rendition: exhausted.rendition.clone(),
            work: exhausted.work.clone(),
            ..failure(metadata, name, &exhausted.reason)
        },
    }
}

fn abandonment(metadata: &Metadata, abandoned: &UploadAbandoned) -> Concern {
    Concern {
        cause: Cause::Upload {
            video_id: metadata.video_id,
        },
        failure: failure(metadata, "upload".to_owned(), &abandoned.reason),
    }
}

/// A reason without numbers and ids: a thousand messages that fail in the same way, each at
/// another column, are one question.
fn kind_of(reason: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut kind = String::new();
    let mut rest = reason;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end.max(first.len_utf8()));
        let differs = is_word(first) && word.bytes().any(|byte| byte.is_ascii_digit());
        kind.push_str(if differs { "#" } else { word });
        rest = after;
    }
    kind
}

fn burial(metadata: &Metadata, buried: &MessageBuried) -> Concern {
    // A body that is too long for the bus can be sent back from among the parked ones only.
    let work = buried.body.clone().map(|body| FailedWork::Message {
        queue: buried.queue.clone(),
        body,
    });
    // Half of a SHA-256 is unique enough among the messages of one ticket.
    let name = buried.body_sha256.chars().take(32).collect();
    Concern {
        cause: Cause::Message {
            owner_id: metadata.owner_id,
            queue: buried.queue.clone(),
            reason: kind_of(&buried.reason),
        },
        failure: Failure {
            work,
            ..failure(metadata, name, &buried.reason)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_numbers_and_ids_are_of_one_kind() {
        let kind = "message `bus event`: missing field `detail-type` at line # column #";
        for (line, column) in [(1, 18), (1, 219), (30, 2)] {
            let reason = format!(
                "message `bus event`: missing field `detail-type` at line {line} column {column}"
            );
            assert_eq!(kind_of(&reason), kind);
        }
        let reason = "object masters/own_8ee6b1ea/vid_019aa07d: « é » 7";
        assert_eq!(kind_of(reason), "object masters/#/#: « é » #");
        assert_eq!(kind_of(""), "");
    }
}
