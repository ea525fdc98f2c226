//! What is said of a ticket on the bus. Said again, each event is the same. None of them has a
//! link: links are secrets.

use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::{FailedWork, HumanAnswered, HumanRequested};
use cattube_contract::human::Answer;
use cattube_contract::{EventId, Metadata, OwnerId, VideoId};
use jiff::Timestamp;

use super::{Failure, Ticket, link};

impl Ticket {
    /// The event that a person was asked; always the same one.
    #[must_use]
    pub fn requested(&self, now: Timestamp) -> (Metadata, HumanRequested) {
        let request = HumanRequested {
            ticket_id: self.ticket_id,
            generation: self.cause.generation(),
            reason: self.reason.clone(),
            expires_at: self.expires_at,
        };
        let metadata = Metadata {
            event_id: self.requested_id(),
            video_id: self.video_id,
            owner_id: self.owner_id,
            caused_by: Some(self.opened_by),
            attempt: self.attempt,
            hop: self.hop.saturating_add(1),
            schema: SCHEMA,
            occurred_at: now,
        };
        (metadata, request)
    }

    fn requested_id(&self) -> EventId {
        EventId::derive("HumanRequested", &[&self.ticket_id.to_string()])
    }

    /// What is said on the bus of an answer about all of it; always the same.
    #[must_use]
    pub fn answered(&self, answer: &Answer, at: Timestamp) -> (Metadata, HumanAnswered) {
        let word = link::word(answer);
        let about = (self.video_id, self.owner_id, self.attempt);
        self.said(&[&word], about, answer, None, at)
    }

    /// What is said on the bus of a piece of failed work that is to be tried again; always
    /// the same. Its attempt is the failure's, so that attempts are counted on.
    #[must_use]
    pub fn retried(&self, failure: &Failure, at: Timestamp) -> Option<(Metadata, HumanAnswered)> {
        let work = failure.work.clone()?;
        let about = (failure.video_id, failure.owner_id, failure.attempt);
        let subject = ["retry", failure.name.as_str()];
        Some(self.said(&subject, about, &Answer::Retry, Some(work), at))
    }

    fn said(
        &self,
        subject: &[&str],
        (video_id, owner_id, attempt): (VideoId, OwnerId, u32),
        answer: &Answer,
        work: Option<FailedWork>,
        at: Timestamp,
    ) -> (Metadata, HumanAnswered) {
        let ticket = self.ticket_id.to_string();
        let parts: Vec<_> = [ticket.as_str()]
            .into_iter()
            .chain(subject.iter().copied())
            .collect();
        let metadata = Metadata {
            event_id: EventId::derive("HumanAnswered", &parts),
            video_id,
            owner_id,
            caused_by: Some(self.requested_id()),
            attempt,
            // A person's word comes from outside.
            hop: 0,
            schema: SCHEMA,
            occurred_at: at,
        };
        let answered = HumanAnswered {
            ticket_id: self.ticket_id,
            generation: self.cause.generation(),
            answer: answer.clone(),
            work,
        };
        (metadata, answered)
    }
}
