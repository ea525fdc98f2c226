//! Tickets: questions to people. One stands open per cause, and what fails of the same cause
//! meanwhile joins it. A ticket remembers what was asked and said; it must never say what
//! follows from an answer.

pub mod alarm;
pub mod concern;
pub mod failure;
pub mod link;
mod said;
pub mod subject;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use cattube_contract::human::Answer;
use cattube_contract::plan::AUDIO_RENDITION;
use cattube_contract::{EventId, OwnerId, TicketId, VideoId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use concern::{Cause, Concern};
pub use failure::Failure;
use failure::sort_key;

/// Failures that one ticket lists: the document stays far below DynamoDB's 400 KB. What comes
/// beyond is counted only; it fails again, or lies among the parked messages.
pub const MAX_FAILURES: usize = 5_000;

/// How long whoever opened a ticket has to tell people of it. After that, the next failure
/// that joins tells them.
const TELL_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// Where a ticket stands. Answered and closed are final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TicketState {
    /// Nobody has answered.
    Open,
    /// A person has answered.
    Answered {
        /// What.
        answer: Answer,
        /// When.
        at: Timestamp,
        /// Who, by the API; none by a link.
        by: Option<OwnerId>,
        /// Whether the bus has it.
        passed_on: bool,
    },
    /// There is nothing to answer any more.
    Closed {
        /// By what, such as `VideoReady`.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id, derived from cause and round.
    pub ticket_id: TicketId,
    /// What it is about.
    pub cause: Cause,
    /// The how many-th question about this cause, from 1.
    pub round: u32,
    /// Which video, or none.
    pub video_id: VideoId,
    /// Who may see and answer it, beside the operator.
    pub owner_id: OwnerId,
    /// Why the first failure came.
    pub reason: String,
    /// The event that opened it.
    pub opened_by: EventId,
    /// That event's attempt.
    pub attempt: u32,
    /// That event's hops.
    pub hop: u32,
    /// When.
    pub opened_at: Timestamp,
    /// When the newest failure was told.
    pub last_at: Timestamp,
    /// Until when its links hold.
    pub expires_at: Timestamp,
    /// The key of its links, in hex.
    pub key: String,
    /// What failed, with the last attempt of each.
    pub failures: BTreeMap<String, u32>,
    /// Failures beyond [`MAX_FAILURES`].
    pub more: u32,
    /// Whether there is something to try again.
    pub can_retry: bool,
    /// The sizes in the making, tallest first.
    pub sizes: Vec<String>,
    /// Those that may be to blame, and `audio` if the sound may be.
    pub failing: BTreeSet<String>,
    /// Whether people were told of it.
    pub noticed: bool,
    /// Where it stands.
    #[serde(flatten)]
    pub state: TicketState,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is none of those that are offered.
    NotOffered,
    /// The ticket has another answer.
    Answered,
    /// There is nothing to answer any more.
    Closed,
}

impl Ticket {
    /// A new ticket about a failure. `key` is fresh random bits, for its links, which hold
    /// until `expires_at`.
    #[must_use]
    pub fn open(
        concern: &Concern,
        round: u32,
        key: [u128; 2],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        let Concern { cause, failure } = concern;
        let [high, low] = key;
        let ticket = Self {
            ticket_id: TicketId::derive(&cause.text(), round),
            cause: cause.clone(),
            round,
            video_id: failure.video_id,
            owner_id: failure.owner_id,
            reason: failure.reason.clone(),
            opened_by: failure.event_id,
            attempt: failure.attempt,
            hop: failure.hop,
            opened_at: now,
            last_at: failure.occurred_at,
            expires_at,
            key: format!("{high:032x}{low:032x}"),
            failures: BTreeMap::new(),
            more: 0,
            can_retry: false,
            sizes: Vec::new(),
            failing: BTreeSet::new(),
            noticed: false,
            state: TicketState::Open,
        };
        ticket.join(failure)
    }

    /// Whether it waits for an answer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == TicketState::Open
    }

    /// The ticket with a failure more. The same failure again changes nothing.
    #[must_use]
    pub fn join(mut self, failure: &Failure) -> Self {
        self.last_at = self.last_at.max(failure.occurred_at);
        let known = self.failures.contains_key(&failure.name);
        if !known && self.failures.len() >= MAX_FAILURES {
            self.more = self.more.saturating_add(1);
            return self;
        }
        let attempt = self.failures.entry(failure.name.clone()).or_default();
        *attempt = failure.attempt.max(*attempt);
        self.can_retry |= failure.work.is_some();
        self.failing.extend(failure.blamed());
        let sizes = failure.sizes();
        if sizes.len() > self.sizes.len() {
            self.sizes = sizes;
        }
        self
    }

    /// Whether a stored failure is part of it: what was stored too late to join is not.
    #[must_use]
    pub fn lists(&self, failure: &Failure) -> bool {
        self.failures.get(&failure.name) == Some(&failure.attempt)
    }

    /// Whether a failure that it lists has come again. A message that was sent back and buried
    /// once more is the same event, told at a later time.
    #[must_use]
    pub fn is_outdated_by(&self, failure: &Failure) -> bool {
        match (&self.cause, &self.state) {
            (Cause::Message { .. }, TicketState::Answered { answer, at, .. }) => {
                *answer == Answer::Retry && failure.occurred_at > *at
            }
            _ => false,
        }
    }

    /// The sort keys of its failures, in order.
    pub fn failure_keys(&self) -> impl Iterator<Item = String> + '_ {
        let failures = self.failures.iter();
        failures.map(|(name, attempt)| sort_key(name, *attempt))
    }

    /// What a person may answer. Where nothing can be tried again, giving up means that it was
    /// seen, and does no more than to close the ticket.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        let mut answers = Vec::new();
        if self.can_retry {
            answers.push(Answer::Retry);
        }
        // A video of one size cannot do without it.
        if self.sizes.len() > 1 {
            let failing = self
                .sizes
                .iter()
                .filter(|name| self.failing.contains(*name));
            answers.extend(failing.cloned().map(Answer::SkipSize));
        }
        // Any video can do without its sound.
        if self.failing.contains(AUDIO_RENDITION) {
            answers.push(Answer::SkipSize(AUDIO_RENDITION.to_owned()));
        }
        answers.push(Answer::GiveUp);
        answers
    }

    /// The ticket after an answer; the same one again changes nothing.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn answer(
        self,
        answer: &Answer,
        by: Option<OwnerId>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match &self.state {
            TicketState::Open if self.answers().contains(answer) => Ok(Self {
                state: TicketState::Answered {
                    answer: answer.clone(),
                    at: now,
                    by,
                    passed_on: false,
                },
                ..self
            }),
            TicketState::Open => Err(Refusal::NotOffered),
            TicketState::Answered { answer: given, .. } if given == answer => Ok(self),
            TicketState::Answered { .. } => Err(Refusal::Answered),
            TicketState::Closed { .. } => Err(Refusal::Closed),
        }
    }

    /// The ticket once the bus has its answer.
    #[must_use]
    pub fn passed_on(mut self) -> Self {
        if let TicketState::Answered { passed_on, .. } = &mut self.state {
            *passed_on = true;
        }
        self
    }

    /// The ticket when there is nothing to answer any more. What is final stays.
    #[must_use]
    pub fn close(mut self, by: &str, now: Timestamp) -> Self {
        if self.is_open() {
            let by = by.to_owned();
            self.state = TicketState::Closed { by, at: now };
        }
        self
    }

    /// Whether the handler of `event` has to tell people.
    #[must_use]
    pub fn must_tell(&self, event: EventId, now: Timestamp) -> bool {
        let late = self.opened_at.saturating_add(TELL_WITHIN);
        self.is_open()
            && (self.opened_by == event || (!self.noticed && late.unwrap_or(Timestamp::MAX) < now))
    }
}

#[cfg(test)]
mod tests;
