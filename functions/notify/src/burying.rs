//! The dead letters that nobody else tells of: those of `retry`, of deadlines and its own. As with
//! all the others, each becomes an event and is kept among the parked messages.

use cattube_contract::Envelope;
use cattube_core::burial::{self, Told};
use cattube_ports::Outcome;
use cattube_ports::queue::OutgoingMessage;

use crate::{Notify, NotifyError};

/// The name of its own queue. Nobody sends anything back there but a person, from among the
/// parked messages.
const OWN: &str = "notify";

impl Notify {
    /// Tells of a dead letter of `queue`.
    pub(crate) async fn bury(&self, queue: &str, body: &str) -> Result<Outcome, NotifyError> {
        let Told {
            metadata,
            parked,
            event,
        } = burial::tell(queue, body, queue != OWN, self.clock.now());
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
