//! A failure, and the message of what follows it.

use std::time::Duration;

use cattube_contract::event::{FailedWork, RetriesExhausted, RetryScheduled, Stage};
use cattube_contract::plan::ChunkId;
use cattube_contract::{Command, CommandMessage, ContractError, Event, Fault, Metadata};
use cattube_core::retry::{self, POLICY, Verdict};
use cattube_ports::queue::OutgoingMessage;
use jiff::Timestamp;

/// Work that failed.
pub(crate) struct Failure<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) stage: Stage,
    /// 0 before there is a master.
    pub(crate) generation: u32,
    pub(crate) chunk: Option<ChunkId>,
    pub(crate) fault: Fault,
    pub(crate) reason: &'a str,
    /// What can be tried again; nothing if the failure does not say it.
    pub(crate) work: Option<FailedWork>,
    pub(crate) rendition: Option<String>,
}

impl Failure<'_> {
    /// What makes its consequences unique beside the video and the attempt.
    pub(crate) fn subject(&self) -> Vec<String> {
        let what = match (self.stage, self.chunk) {
            (Stage::Work, Some(chunk)) => chunk.to_string(),
            (Stage::Work, None) => "plan".to_owned(),
            (Stage::Upload, _) => "upload".to_owned(),
            (Stage::Join, _) => "join".to_owned(),
            (Stage::Deadline, _) => "deadline".to_owned(),
        };
        vec![self.generation.to_string(), what]
    }

    /// The next attempt and its delay, if there is one.
    pub(crate) fn again(&self) -> Option<(u32, Duration)> {
        let metadata = self.metadata;
        match retry::decide(POLICY, metadata.attempt, self.fault, metadata.event_id) {
            Verdict::Again { attempt, delay_ms } => {
                Some((attempt, Duration::from_millis(delay_ms)))
            }
            Verdict::Enough => None,
        }
    }

    /// The metadata of the next attempt's command.
    pub(crate) fn next(&self, name: &str, attempt: u32, now: Timestamp) -> Metadata {
        let cause = Metadata {
            attempt,
            ..self.metadata.clone()
        };
        let subject = self.subject();
        let subject: Vec<_> = subject.iter().map(String::as_str).collect();
        cause.follow(name, &subject, now)
    }

    pub(crate) fn scheduled(&self, next_attempt: u32, delay: Duration) -> Event {
        Event::RetryScheduled(RetryScheduled {
            generation: self.generation,
            chunk: self.chunk,
            next_attempt,
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            reason: self.reason.to_owned(),
            stage: self.stage,
        })
    }

    pub(crate) fn exhausted(&self) -> Event {
        Event::RetriesExhausted(RetriesExhausted {
            generation: self.generation,
            chunk: self.chunk,
            attempts: self.metadata.attempt,
            fault: self.fault,
            reason: self.reason.to_owned(),
            stage: self.stage,
            work: self.work.clone(),
            rendition: self.rendition.clone(),
        })
    }
}

/// A message of the owner's group.
pub(crate) fn outgoing(
    metadata: &Metadata,
    command: Command,
    delay: Duration,
) -> Result<OutgoingMessage, ContractError> {
    let group = metadata.owner_id.to_string();
    let message = CommandMessage {
        metadata: metadata.clone(),
        command,
    };
    Ok(OutgoingMessage {
        delay,
        ..OutgoingMessage::new(message.to_body()?, group)
    })
}
