//! What follows a message that a queue gave up: it becomes an event that names its video and
//! its cause, and nothing of it is lost.

use cattube_contract::event::{ChunkFailed, PlanFailed};
use cattube_contract::{Command, CommandMessage, Envelope, Event, Fault, Metadata};
use cattube_core::burial::{self, Told};
use cattube_ports::Outcome;
use cattube_ports::queue::OutgoingMessage;

use crate::{Retry, RetryError};

/// What a worker that never answered is said to have done.
const NEVER_ENDED: &str =
    "no worker ended this work: each crashed, ran out of time or ran out of memory";

impl Retry {
    /// Tells of a dead letter of `queue`.
    pub(crate) async fn bury(&self, queue: &str, body: &str) -> Result<Outcome, RetryError> {
        if let Some((metadata, subject, event)) = buried_work(queue, body) {
            self.publish(&metadata, &subject, event).await?;
            return Ok(Outcome::of("dead letter stated", &metadata));
        }
        let Told {
            metadata,
            parked,
            event,
        } = burial::tell(queue, body, true, self.clock.now());
        let message = OutgoingMessage::new(parked, queue.to_owned());
        self.parked.send(&[message]).await?;
        let Some(event) = event else {
            return Ok(Outcome::of("dead letter parked", &metadata));
        };
        let outcome = Outcome::of("dead letter stated", &metadata);
        self.bus.publish(&[Envelope { metadata, event }]).await?;
        Ok(outcome)
    }
}

/// A command of a work queue that no worker ended has an event of its own, whose work can be
/// tried again: its cause, what makes the event unique, and the event.
fn buried_work(queue: &str, body: &str) -> Option<(Metadata, Vec<String>, Event)> {
    let CommandMessage { metadata, command } = CommandMessage::parse(body).ok()?;
    metadata.check_hops().ok()?;
    match (queue, command) {
        ("jobs", Command::PlanVideo(job)) => {
            let subject = vec![job.generation.to_string(), "buried".to_owned()];
            let failed = PlanFailed {
                generation: job.generation,
                fault: Fault::Permanent,
                reason: NEVER_ENDED.to_owned(),
                command: Some(job),
            };
            Some((metadata, subject, Event::PlanFailed(failed)))
        }
        ("chunks", Command::TranscodeChunk(work)) => {
            let (generation, chunk) = (work.generation.to_string(), work.chunk.to_string());
            let subject = vec![generation, chunk, "buried".to_owned()];
            let failed = ChunkFailed {
                generation: work.generation,
                chunk: work.chunk,
                fault: Fault::Permanent,
                reason: NEVER_ENDED.to_owned(),
                command: Some(work),
                rendition: None,
            };
            Some((metadata, subject, Event::ChunkFailed(failed)))
        }
        _ => None,
    }
}
