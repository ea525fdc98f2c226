//! The dead letters that nobody else tells of: those of `retry` and its own. As with all the
//! others, each becomes an event and is kept among the parked messages.

use std::time::Duration;

use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::MessageBuried;
use cattube_contract::{Envelope, Event, EventId, Metadata};
use cattube_core::burial;
use cattube_core::digest::sha256_hex;
use cattube_ports::Outcome;
use cattube_ports::queue::OutgoingMessage;
use serde_json::json;

use crate::{Notify, NotifyError};

/// The name of its own queue.
const OWN: &str = "notify";

impl Notify {
    /// Tells of a dead letter of `queue`.
    pub(crate) async fn bury(&self, queue: &str, body: &str) -> Result<Outcome, NotifyError> {
        let burial = burial::examine(body);
        let digest = sha256_hex(body.as_bytes());
        let metadata = Metadata {
            event_id: EventId::derive("MessageBuried", &[queue, &digest]),
            video_id: burial.video_id,
            owner_id: burial.owner_id,
            caused_by: burial.caused_by,
            attempt: 1,
            // A story of its own: a message that went in a circle must be told of too.
            hop: 0,
            schema: SCHEMA,
            occurred_at: self.clock.now(),
        };
        let parked = json!({
            "queue": queue,
            "video_id": burial.video_id,
            "reason": burial.reason,
            "body": body,
        });
        let message = OutgoingMessage {
            body: parked.to_string(),
            group: queue.to_owned(),
            deduplication_id: None,
            delay: Duration::ZERO,
        };
        self.parked.send(&[message]).await?;
        if burial.is_burial {
            // To tell of it again would go on for ever.
            return Ok(Outcome::of("dead letter parked", &metadata));
        }
        let event = Event::MessageBuried(MessageBuried {
            queue: queue.to_owned(),
            reason: burial.reason,
            body_sha256: digest,
            // Nobody sends anything back to this queue but a person, from among the parked ones.
            body: burial::told(body).filter(|_| queue != OWN),
        });
        let outcome = Outcome::of("dead letter stated", &metadata);
        self.bus.publish(&[Envelope { metadata, event }]).await?;
        Ok(outcome)
    }
}
