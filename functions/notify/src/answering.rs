//! Takes answers: the first one counts. It is stored first and passed on then, so that no
//! crash makes two of it; whoever gave it and saw an error gives it again.

use cattube_contract::human::{Answer, HumanAnswered};
use cattube_contract::{Envelope, Event, Metadata, OwnerId, TicketId};
use cattube_core::ticket::{Refusal, Ticket, TicketState};
use futures::future::join_all;

use crate::store::Stored;
use crate::{MAX_RACES, Notify, NotifyError};

/// Failures that are read and passed on at a time.
const PAGE: usize = 25;

/// What became of an answer.
pub(crate) enum Taken {
    /// It was taken.
    Now(Ticket),
    /// It had been given before.
    Before(Ticket),
    /// It was not taken.
    Refused(Refusal, Ticket),
}

fn spoken((metadata, answered): (Metadata, HumanAnswered)) -> Envelope {
    let event = Event::HumanAnswered(answered);
    Envelope { metadata, event }
}

impl Notify {
    /// Stores an answer and passes it on; none if there is no such ticket.
    pub(crate) async fn take(
        &self,
        id: TicketId,
        answer: &Answer,
        by: Option<OwnerId>,
    ) -> Result<Option<Taken>, NotifyError> {
        for _ in 0..MAX_RACES {
            let Some(Stored { document, version }) = self.load_ticket(id).await? else {
                return Ok(None);
            };
            let now = self.clock.now();
            let ticket = match document.clone().answer(answer, by, now) {
                Ok(ticket) if ticket == document => return Ok(Some(Taken::Before(ticket))),
                Ok(ticket) => ticket,
                Err(refusal) => return Ok(Some(Taken::Refused(refusal, document))),
            };
            if self.save_ticket(&ticket, Some(version)).await? {
                return Ok(Some(Taken::Now(self.pass_on(ticket).await?)));
            }
        }
        Err(NotifyError::Races {
            document: id.to_string(),
        })
    }

    /// Says an answer on the bus; again, it is the same.
    pub(crate) async fn pass_on(&self, ticket: Ticket) -> Result<Ticket, NotifyError> {
        let TicketState::Answered { answer, at, .. } = &ticket.state else {
            return Ok(ticket);
        };
        if *answer == Answer::Retry {
            let keys: Vec<_> = ticket.failure_keys().collect();
            for page in keys.chunks(PAGE) {
                let loads = page
                    .iter()
                    .map(|key| self.load_failure(ticket.ticket_id, key));
                let mut events = Vec::new();
                for failure in join_all(loads).await {
                    let said = failure?.and_then(|failure| ticket.retried(&failure, *at));
                    events.extend(said.map(spoken));
                }
                self.bus.publish(&events).await?;
            }
        } else {
            let said = spoken(ticket.answered(answer, *at));
            self.bus.publish(&[said]).await?;
        }
        let id = ticket.ticket_id;
        let passed_on = self.change_ticket(id, Ticket::passed_on).await?;
        Ok(passed_on.unwrap_or(ticket))
    }
}
