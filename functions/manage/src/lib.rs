//! Store and manage: the catalogue, fed by every event, and its HTTP API. It must never
//! steer the work: it only says what was said, deletes what its owner deletes, and shows an
//! owner nothing of another's.

mod api;
mod purge;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::envelope::MAX_HOPS;
use cattube_contract::{ContractError, Envelope, Event, Metadata, OwnerId, VideoId};
use cattube_core::video::{Video, VideoState};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Table};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How often a lost race for a record is run again before the queue is left to bring the
/// message back.
const MAX_RACES: usize = 8;

/// Why a message or request cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The message went in a circle.
    #[error("more than {MAX_HOPS} hops: the message runs in a circle")]
    Hops,
    /// A document of ours does not parse or serialise.
    #[error("{document}: {reason}")]
    Document {
        /// Which.
        document: String,
        /// serde's reason.
        reason: String,
    },
    /// Other writers were first, again and again.
    #[error("{MAX_RACES} races for the record of {video} were lost")]
    Races {
        /// Which video.
        video: VideoId,
    },
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Catalogue {
    /// The masters bucket, to delete in.
    pub masters: Arc<dyn Objects>,
    /// The media bucket, to delete in.
    pub media: Arc<dyn Objects>,
    /// The function's own table: records by owner, timelines by video.
    pub table: Arc<dyn Table>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the media bucket is served, without a trailing slash.
    pub media_base_url: String,
}

/// An event in a video's timeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimelineEntry {
    pub(crate) name: String,
    pub(crate) metadata: Metadata,
    pub(crate) data: Value,
}

/// A record with the version that a change must name.
pub(crate) struct Stored {
    pub(crate) video: Video,
    pub(crate) version: u64,
}

fn document(document: impl Into<String>) -> impl FnOnce(serde_json::Error) -> ManageError {
    let document = document.into();
    move |error| ManageError::Document {
        document,
        reason: error.to_string(),
    }
}

/// Where an event stands in its video's partition. A finished chunk stands under its own
/// name, so that one finished twice counts once.
fn timeline_key(envelope: &Envelope, first_at: Timestamp) -> String {
    if let Event::ChunkTranscoded(transcoded) = &envelope.event {
        return format!("chunk#{:08}#{}", transcoded.generation, transcoded.chunk);
    }
    // Milliseconds in a fixed width sort as time does.
    let at_ms = first_at.as_millisecond();
    format!("event#{at_ms:014}#{}", envelope.metadata.event_id)
}

#[async_trait]
impl MessageHandler for Catalogue {
    type Error = ManageError;

    async fn handle(&self, body: &str) -> Result<Outcome, ManageError> {
        let envelope = Envelope::parse_bus_event(body)?;
        if envelope.metadata.hop > MAX_HOPS {
            return Err(ManageError::Hops);
        }
        self.note(&envelope).await?;
        let video = self.record(&envelope).await?;
        if video.state == VideoState::Deleted {
            // Whatever this event tells of may have left objects behind.
            self.purge(&video, &envelope).await?;
            return Ok(Outcome::of("purged", &envelope.metadata));
        }
        Ok(Outcome::of("recorded", &envelope.metadata))
    }
}

impl Catalogue {
    /// Adds the event to the timeline, once.
    async fn note(&self, envelope: &Envelope) -> Result<(), ManageError> {
        let detail = envelope.to_detail()?;
        let entry = TimelineEntry {
            name: envelope.event.name().to_owned(),
            metadata: envelope.metadata.clone(),
            data: detail.get("data").cloned().unwrap_or(Value::Null),
        };
        let partition = envelope.metadata.video_id.to_string();
        let first_at = self.first_at(&partition, envelope).await?;
        let key = timeline_key(envelope, first_at);
        let body = serde_json::to_value(&entry).map_err(document(key.as_str()))?;
        self.save_once(&partition, &key, &body).await?;
        Ok(())
    }

    /// When the event was said first. Whoever cannot know whether it was heard says it again,
    /// at another time, and it is the same event still.
    async fn first_at(
        &self,
        partition: &str,
        envelope: &Envelope,
    ) -> Result<Timestamp, ManageError> {
        let at = envelope.metadata.occurred_at;
        if matches!(envelope.event, Event::ChunkTranscoded(_)) {
            return Ok(at);
        }
        let key = format!("first#{}", envelope.metadata.event_id);
        let body = serde_json::to_value(at).map_err(document(key.as_str()))?;
        if self.save_once(partition, &key, &body).await? {
            return Ok(at);
        }
        let standing = self.table.load(partition, &key).await?;
        let standing = standing.map_or(body, |item| item.body);
        serde_json::from_value(standing).map_err(document(key))
    }

    /// Saves an item that never changes; says whether it is new.
    async fn save_once(
        &self,
        partition: &str,
        key: &str,
        body: &Value,
    ) -> Result<bool, ManageError> {
        match self.table.save(partition, key, None, body).await {
            Ok(()) => Ok(true),
            Err(PortError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn load(
        &self,
        owner: OwnerId,
        video: VideoId,
    ) -> Result<Option<Stored>, ManageError> {
        let item = self
            .table
            .load(&owner.to_string(), &video.to_string())
            .await?;
        let Some(item) = item else {
            return Ok(None);
        };
        let video = serde_json::from_value(item.body).map_err(document(item.sort_key))?;
        Ok(Some(Stored {
            video,
            version: item.version,
        }))
    }

    pub(crate) async fn save(&self, video: &Video, expected: Option<u64>) -> Result<(), PortError> {
        let sort_key = video.video_id.to_string();
        let body = serde_json::to_value(video).map_err(|error| PortError::Table {
            operation: "save",
            key: sort_key.clone(),
            fault: cattube_contract::Fault::Permanent,
            reason: error.to_string(),
        })?;
        self.table
            .save(&video.owner_id.to_string(), &sort_key, expected, &body)
            .await
    }

    /// Moves the record forward. A finished chunk alone does not touch it, so that a
    /// thousand workers do not race for one item.
    async fn record(&self, envelope: &Envelope) -> Result<Video, ManageError> {
        let metadata = &envelope.metadata;
        for _ in 0..MAX_RACES {
            let stored = self.load(metadata.owner_id, metadata.video_id).await?;
            let version = stored.as_ref().map(|stored| stored.version);
            let before = stored.map(|stored| stored.video);
            let known = before.is_some();
            let before = before.unwrap_or_else(|| Video::new(metadata));
            let video = before.clone().evolve(envelope);
            if known && video == before {
                return Ok(video);
            }
            match self.save(&video, version).await {
                Ok(()) => return Ok(video),
                Err(PortError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ManageError::Races {
            video: metadata.video_id,
        })
    }
}

#[async_trait]
impl ApiHandler for Catalogue {
    type Error = ManageError;

    async fn answer(&self, request: ApiRequest) -> Result<ApiResponse, ManageError> {
        let Some(subject) = request
            .subject
            .as_deref()
            .filter(|subject| !subject.is_empty())
        else {
            return Ok(ApiResponse::problem(
                401,
                "Unauthorized",
                "the token has no subject",
            ));
        };
        let owner = OwnerId::of_subject(subject);
        if request.route == "GET /v1/videos" {
            return self.list(owner, &request).await;
        }
        let Some(video) = request
            .path
            .get("id")
            .and_then(|id| id.parse::<VideoId>().ok())
        else {
            return Ok(api::not_found());
        };
        let Some(stored) = self.load(owner, video).await? else {
            return Ok(api::not_found());
        };
        match request.route.as_str() {
            "GET /v1/videos/{id}" => self.get(&stored.video).await,
            "GET /v1/videos/{id}/timeline" => self.timeline(video, &request).await,
            "DELETE /v1/videos/{id}" => self.delete(stored).await,
            _ => Ok(ApiResponse::problem(
                404,
                "No such route",
                "see the API's description",
            )),
        }
    }
}
