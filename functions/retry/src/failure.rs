//! A failure, and the message of what follows it.

use std::time::Duration;

use cattube_contract::plan::ChunkId;
use cattube_contract::{Command, CommandMessage, ContractError, Fault, Metadata};
use cattube_core::retry::{self, POLICY, Verdict};
use cattube_ports::queue::OutgoingMessage;

/// Work that failed.
pub(crate) struct Failure<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) generation: u32,
    pub(crate) chunk: Option<ChunkId>,
    pub(crate) fault: Fault,
    pub(crate) reason: &'a str,
}

/// What makes a failure's consequences unique beside the video and the attempt.
pub(crate) fn subject(failure: &Failure<'_>) -> Vec<String> {
    let chunk = failure
        .chunk
        .map_or_else(|| "plan".to_owned(), |chunk| chunk.to_string());
    vec![failure.generation.to_string(), chunk]
}

/// The next attempt and its delay, if there is one.
pub(crate) fn again(failure: &Failure<'_>) -> Option<(u32, Duration)> {
    let metadata = failure.metadata;
    match retry::decide(POLICY, metadata.attempt, failure.fault, metadata.event_id) {
        Verdict::Again { attempt, delay_ms } => Some((attempt, Duration::from_millis(delay_ms))),
        Verdict::Enough => None,
    }
}

/// The metadata of the next attempt's command.
pub(crate) fn next(
    cause: &Metadata,
    attempt: u32,
    name: &str,
    failure: &Failure<'_>,
    now: jiff::Timestamp,
) -> Metadata {
    let cause = Metadata {
        attempt,
        ..cause.clone()
    };
    let subject = subject(failure);
    let subject: Vec<_> = subject.iter().map(String::as_str).collect();
    cause.follow(name, &subject, now)
}

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
        body: message.to_body()?,
        group,
        deduplication_id: None,
        delay,
    })
}
