//! Asks people where nothing goes on by itself, and passes their answers on. One ticket is open
//! per cause: more failures of the same cause join it, without another notice. It must never
//! decide what follows from an answer, and it knows nothing of who consumes what it says.
//!
//! Its table, by partition:
//! - a ticket's id: `ticket`, and `work#…` for each thing that failed;
//! - `cause#…`: `round`, a hint at the newest ticket, and `seen#…` for each event that came;
//! - `video#…`, `alarm#…`: `subject`, what became of it;
//! - `owner#…`, `all`: `ticket#…`, the lists of tickets by time.

mod answering;
mod api;
mod asking;
mod burying;
mod page;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::{ContractError, Envelope, OwnerId, read_json};
use cattube_core::ticket::Concern;
use cattube_core::ticket::alarm::{self, AlarmNews};
use cattube_core::ticket::concern::{alarm_subject, video_subject};
use cattube_core::ticket::subject::Ending;
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Entropy, Notices, Outcome, PortError, Queue, Table};
use serde_json::Value;

/// How often a lost race for an item is run again before the queue is left to bring the
/// message back.
const MAX_RACES: usize = 8;

/// Why a message or request cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The body is no event.
    #[error("bus event: {0}")]
    Message(String),
    /// A document of ours does not parse or serialise.
    #[error("{document}: {reason}")]
    Document {
        /// Which.
        document: String,
        /// serde's reason.
        reason: String,
    },
    /// Other writers were first, again and again.
    #[error("{MAX_RACES} races for {document} were lost")]
    Races {
        /// For which item.
        document: String,
    },
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Notify {
    /// Its own table.
    pub table: Arc<dyn Table>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The people.
    pub notices: Arc<dyn Notices>,
    /// Where messages that nobody could handle are kept.
    pub parked: Arc<dyn Queue>,
    /// The dead-letter queues that it empties, by their ARNs, and whose they are.
    pub dead_letters: BTreeMap<String, String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the links' keys.
    pub entropy: Arc<dyn Entropy>,
    /// Where the HTTP API answers, without a trailing slash.
    pub api_base_url: String,
    /// Who sees and answers every ticket.
    pub operator: OwnerId,
    /// How long links hold.
    pub link_for: Duration,
}

#[async_trait]
impl MessageHandler for Notify {
    type Error = NotifyError;

    async fn handle(&self, body: &str) -> Result<Outcome, NotifyError> {
        let shape: Value = read_json(body.as_bytes()).map_err(NotifyError::Message)?;
        if alarm::is_alarm(&shape) {
            let news = alarm::read(body).map_err(NotifyError::Message)?;
            let action = self.hear_alarm(news).await?;
            return Ok(Outcome {
                action,
                metadata: None,
            });
        }
        let envelope = Envelope::parse_bus_event(body)?;
        let metadata = &envelope.metadata;
        metadata.check_hops()?;
        let action = if let Some(concern) = Concern::of(&envelope) {
            self.ask(&concern).await?
        } else if let Some(ending) = Ending::of(&envelope.event) {
            let partition = video_subject(metadata.video_id);
            self.end(&partition, ending, envelope.event.name()).await?
        } else {
            "nobody's concern"
        };
        Ok(Outcome::of(action, metadata))
    }

    async fn handle_from(&self, source: &str, body: &str) -> Result<Outcome, NotifyError> {
        match self.dead_letters.get(source) {
            Some(queue) => self.bury(queue, body).await,
            None => self.handle(body).await,
        }
    }
}

impl Notify {
    async fn hear_alarm(&self, news: AlarmNews) -> Result<&'static str, NotifyError> {
        match news {
            AlarmNews::Raised(concern) => self.ask(&concern).await,
            AlarmNews::Quiet { name, at } => {
                let partition = alarm_subject(&name);
                self.end(&partition, Ending::Quiet(at), "OK").await
            }
            AlarmNews::Unknown => Ok("nobody's concern"),
        }
    }
}
