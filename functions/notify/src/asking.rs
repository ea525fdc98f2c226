//! Opens tickets, lets failures join them, tells people, and closes what has become needless.
//!
//! The order makes a crash between any two steps harmless: a failure is stored before its
//! ticket lists it, a ticket stands before people are told, and an event is marked as seen
//! last. Until then it comes again and finds what is done.

use cattube_contract::{Envelope, Event, OwnerId, TicketId};
use cattube_core::digest::sha256_hex;
use cattube_core::ticket::subject::Ending;
use cattube_core::ticket::{Concern, Failure, Ticket, words};
use cattube_ports::notices::Notice;
use jiff::Timestamp;

use crate::store::Stored;
use crate::{MAX_RACES, Notify, NotifyError};

const ROUND: &str = "round";

/// The partition of every ticket's list.
pub(crate) const ALL: &str = "all";

/// The newest question about a cause.
struct Newest {
    round: u32,
    ticket: Option<Stored<Ticket>>,
}

impl Notify {
    /// Makes sure that a person is asked about it, once.
    pub(crate) async fn ask(&self, concern: &Concern) -> Result<&'static str, NotifyError> {
        let cause = format!("cause#{}", sha256_hex(concern.cause.text().as_bytes()));
        let event = concern.failure.event_id;
        let seen_key = format!("seen#{event}");
        let seen: Option<Stored<TicketId>> = self.load(&cause, &seen_key).await?;
        let seen_version = seen.as_ref().map(|stored| stored.version);
        if let Some(Stored { document: id, .. }) = seen
            && let Some(Stored { document, .. }) = self.load_ticket(id).await?
            && !document.is_outdated_by(&concern.failure)
        {
            self.tell(document, concern).await?;
            return Ok("known");
        }
        let Some(ticket) = self.enter(&cause, concern).await? else {
            return Ok("nothing to ask any more");
        };
        let id = ticket.ticket_id;
        let action = self.tell(ticket, concern).await?;
        self.save(&cause, &seen_key, seen_version, &id).await?;
        Ok(action)
    }

    /// The ticket that the failure belongs to, which lists it then; none if there is nothing
    /// to ask any more.
    async fn enter(&self, cause: &str, concern: &Concern) -> Result<Option<Ticket>, NotifyError> {
        let subject = concern.cause.subject();
        for _ in 0..MAX_RACES {
            if let Some(subject) = &subject
                && self.load_subject(subject).await?.is_over(concern)
            {
                return Ok(None);
            }
            let Newest { round, ticket } = self.newest(cause, concern).await?;
            match ticket {
                None => {
                    if let Some(ticket) = self.open(cause, round, concern).await? {
                        return Ok(Some(ticket).filter(Ticket::is_open));
                    }
                }
                Some(stored) if stored.document.is_open() => {
                    let failure = &concern.failure;
                    self.save_failure(stored.document.ticket_id, failure)
                        .await?;
                    let joined = stored.document.clone().join(failure);
                    if joined == stored.document
                        || self.save_ticket(&joined, Some(stored.version)).await?
                    {
                        return Ok(Some(joined));
                    }
                }
                Some(stored) => return Ok(Some(stored.document)),
            }
        }
        Err(NotifyError::Races {
            document: cause.to_owned(),
        })
    }

    /// The first question about a cause that the failure can belong to: one that is open, one
    /// that ended with this very failure in it, or the next.
    async fn newest(&self, cause: &str, concern: &Concern) -> Result<Newest, NotifyError> {
        let hint: Option<Stored<u32>> = self.load(cause, ROUND).await?;
        let mut round = hint.map_or(1, |stored| stored.document);
        loop {
            let id = TicketId::derive(&concern.cause.text(), round);
            let ticket = self.load_ticket(id).await?;
            let fits = match &ticket {
                None => true,
                Some(stored) if stored.document.is_open() => true,
                Some(stored) => self.has(&stored.document, &concern.failure).await?,
            };
            if fits {
                return Ok(Newest { round, ticket });
            }
            round = round.saturating_add(1);
        }
    }

    /// Whether a ticket lists this very failure.
    async fn has(&self, ticket: &Ticket, failure: &Failure) -> Result<bool, NotifyError> {
        if !ticket.lists(failure) || ticket.is_outdated_by(failure) {
            return Ok(false);
        }
        let standing = self
            .load_failure(ticket.ticket_id, &failure.sort_key())
            .await?;
        Ok(standing.is_some_and(|standing| standing.event_id == failure.event_id))
    }

    /// Opens a ticket; none if another was first. It comes closed if what it is about ended
    /// meanwhile.
    async fn open(
        &self,
        cause: &str,
        round: u32,
        concern: &Concern,
    ) -> Result<Option<Ticket>, NotifyError> {
        let key = [self.entropy.random(), self.entropy.random()];
        let now = self.clock.now();
        let expires_at = now.saturating_add(self.link_for).unwrap_or(Timestamp::MAX);
        let ticket = Ticket::open(concern, round, key, now, expires_at);
        let id = ticket.ticket_id;
        self.save_failure(id, &concern.failure).await?;
        // Whoever ends the subject closes the tickets that it names: it names this one before
        // the ticket stands, and is looked at again after.
        let subject = concern.cause.subject();
        if let Some(subject) = &subject {
            let generation = concern.cause.generation();
            self.change_subject(subject, |subject| subject.with(generation, id))
                .await?;
        }
        if !self.save_ticket(&ticket, None).await? {
            return Ok(None);
        }
        let hint: Option<Stored<u32>> = self.load(cause, ROUND).await?;
        let version = hint.map(|stored| stored.version);
        self.save(cause, ROUND, version, &round).await?;
        if let Some(subject) = &subject
            && self.load_subject(subject).await?.is_over(concern)
        {
            return self
                .change_ticket(id, |ticket| ticket.close("its subject's end", now))
                .await;
        }
        Ok(Some(ticket))
    }

    /// Tells people of a ticket, if that is for the handler of this event to do.
    async fn tell(&self, ticket: Ticket, concern: &Concern) -> Result<&'static str, NotifyError> {
        let now = self.clock.now();
        if !ticket.must_tell(concern.failure.event_id, now) {
            return Ok("joined");
        }
        if !ticket.noticed {
            self.list(&ticket).await?;
            let notice = Notice {
                subject: words::subject(&ticket),
                text: words::text(&ticket, &self.api_base_url),
            };
            self.notices.send(notice).await?;
        }
        let (metadata, request) = ticket.requested(now);
        let event = Event::HumanRequested(request);
        self.bus.publish(&[Envelope { metadata, event }]).await?;
        if !ticket.noticed {
            let noticed = |ticket| Ticket {
                noticed: true,
                ..ticket
            };
            self.change_ticket(ticket.ticket_id, noticed).await?;
        }
        Ok("asked")
    }

    /// Puts a ticket on its owner's list and on the operator's.
    async fn list(&self, ticket: &Ticket) -> Result<(), NotifyError> {
        let at_ms = ticket.opened_at.as_millisecond();
        let key = format!("ticket#{at_ms:014}#{}", ticket.ticket_id);
        for partition in [&owners_list(ticket.owner_id), ALL] {
            self.save(partition, &key, None, &ticket.ticket_id).await?;
        }
        Ok(())
    }

    /// Notes that something ended, and closes the tickets about it.
    pub(crate) async fn end(
        &self,
        partition: &str,
        ending: Ending,
        by: &str,
    ) -> Result<&'static str, NotifyError> {
        let subject = self
            .change_subject(partition, |subject| subject.end(ending))
            .await?;
        let now = self.clock.now();
        for id in subject.tickets.values() {
            self.change_ticket(*id, |ticket| {
                if subject.ends(&ticket.cause, ticket.last_at) {
                    ticket.close(by, now)
                } else {
                    ticket
                }
            })
            .await?;
        }
        Ok("ended")
    }
}

/// The partition of an owner's list.
pub(crate) fn owners_list(owner: OwnerId) -> String {
    format!("owner#{owner}")
}
