//! Store and manage: the catalogue, fed by every event, and its HTTP API. It must never
//! steer the work: it only says what was said, asks for a new making when a person does,
//! removes what is not wanted any more, and shows an owner nothing of another's.

mod api;
mod records;
mod redo;
mod removal;
mod view;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::event::Answer;
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, Message, Metadata, VideoId,
};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Scheduler, Table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How often a lost race for a record is run again before the queue is left to bring the
/// message back.
const MAX_RACES: usize = 8;

/// Why a message or request cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The queue brought a command for somebody else.
    #[error("expected PurgeVideo, got another command")]
    Command,
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
    /// Deadlines, each a command to this function.
    pub scheduler: Arc<dyn Scheduler>,
    /// How long what was replaced is kept, and when what was deleted is removed again.
    pub purge_delay: Duration,
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

fn document(document: impl Into<String>) -> impl FnOnce(serde_json::Error) -> ManageError {
    let document = document.into();
    move |error| ManageError::Document {
        document,
        reason: error.to_string(),
    }
}

#[async_trait]
impl MessageHandler for Catalogue {
    type Error = ManageError;

    async fn handle(&self, body: &str) -> Result<Outcome, ManageError> {
        let message = Message::parse(body)?;
        message.metadata().check_hops()?;
        match message {
            Message::Command(message) => self.handle_command(&message).await,
            Message::Event(envelope) => self.handle_event(&envelope).await,
        }
    }
}

impl Catalogue {
    async fn handle_event(&self, envelope: &Envelope) -> Result<Outcome, ManageError> {
        let Envelope { metadata, event } = envelope;
        if metadata.video_id == VideoId::NONE {
            return Ok(Outcome::of("of no video", metadata));
        }
        let is_news = self.note(envelope).await?;
        let Some(video) = self.record(envelope).await? else {
            return Ok(Outcome::of("of no known video", metadata));
        };
        let mut action = "recorded";
        if self.clear_up(metadata, &video, event).await? {
            action = "purged";
        }
        if let Event::HumanAnswered(answered) = event
            && let Answer::SkipSize(size) = &answered.answer
        {
            action = self.skip(metadata, answered, size).await?;
        }
        // What is told again has no second effect, not even this one.
        if let Some(requested) = video.unheard_redo().filter(|_| is_news) {
            self.say_allocated(metadata, requested.clone()).await?;
        }
        Ok(Outcome::of(action, metadata))
    }

    /// The only commands here are those that the function told itself.
    async fn handle_command(&self, message: &CommandMessage) -> Result<Outcome, ManageError> {
        let CommandMessage { metadata, command } = message;
        let Command::PurgeVideo(purge) = command else {
            return Err(ManageError::Command);
        };
        let action = self.remove_now(metadata, purge).await?;
        Ok(Outcome::of(action, metadata))
    }
}

#[async_trait]
impl ApiHandler for Catalogue {
    type Error = ManageError;

    async fn answer(&self, request: ApiRequest) -> Result<ApiResponse, ManageError> {
        let owner = match request.owner() {
            Ok(owner) => owner,
            Err(problem) => return Ok(problem),
        };
        if request.route == "GET /v1/videos" {
            return self.list(owner, &request).await;
        }
        let Some(video) = request.video_id() else {
            return Ok(api::not_found());
        };
        let Some(stored) = self.load(owner, video).await? else {
            return Ok(api::not_found());
        };
        match request.route.as_str() {
            "GET /v1/videos/{id}" => self.get(&stored.video).await,
            "GET /v1/videos/{id}/timeline" => self.timeline(video, &request).await,
            "DELETE /v1/videos/{id}" => self.delete(owner, video).await,
            "POST /v1/videos/{id}/retry" => self.retry(owner, video, &request).await,
            _ => Ok(ApiResponse::no_such_route()),
        }
    }
}
