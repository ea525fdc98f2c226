//! What is said of a join: what is new, and all of it again to whoever may have missed it.

use cattube_contract::command::PlanVideo;
use cattube_contract::event::JoinFailed;
use cattube_contract::key::VideoKeys;
use cattube_contract::{Envelope, Event, Fault, Metadata, excerpt};
use cattube_core::join::{Join, JoinFailure};

use crate::{AssembleError, Assembler};

/// What is to be said, each with its attempt: what is new, or all that stands if the same was
/// seen before.
pub(crate) fn news(before: &Join, join: &Join, again: bool) -> Vec<(u32, Event)> {
    // Playable and ready are one fact a generation, whichever chunk happened to be the last.
    let mut news = Vec::new();
    if let Some(playable) = &join.playable
        && (again || before.playable.as_ref() != Some(playable))
        && join.ready.is_none()
    {
        news.push((1, Event::VideoPlayable(playable.clone())));
    }
    if let Some(ready) = &join.ready
        && (again || before.ready.as_ref() != Some(ready))
    {
        news.push((1, Event::VideoReady(ready.clone())));
    }
    if let Some(failure) = &join.failure
        && (again || before.failure.as_ref() != Some(failure))
    {
        news.push((failure.attempt, Event::JoinFailed(failure.said.clone())));
    }
    news
}

/// Whether an event is of the generation that the join is about.
pub(crate) fn concerns(event: &Event, join: &Join) -> bool {
    match event {
        Event::VideoPlanned(planned) => planned.generation == join.generation,
        Event::ChunkTranscoded(transcoded) => transcoded.generation == join.generation,
        Event::UploadRequested(_)
        | Event::UploadFailed(_)
        | Event::VideoUploaded(_)
        | Event::VideoRejected(_)
        | Event::PlanFailed(_)
        | Event::ChunkFailed(_)
        | Event::VideoPlayable(_)
        | Event::VideoReady(_)
        | Event::VideoDeleted(_)
        | Event::RetryScheduled(_)
        | Event::UploadResumed(_)
        | Event::UploadAbandoned(_)
        | Event::UploadCompleted(_)
        | Event::JoinFailed(_)
        | Event::RetryRequested(_)
        | Event::VideoAbandoned(_)
        | Event::MessageBuried(_)
        | Event::HumanRequested(_)
        | Event::HumanAnswered(_)
        | Event::RetriesExhausted(_) => false,
    }
}

impl Assembler {
    /// The join after it turned out that its chunks do not fit.
    pub(crate) async fn failed(
        &self,
        keys: &VideoKeys,
        metadata: &Metadata,
        mut join: Join,
        error: &AssembleError,
    ) -> Result<Join, AssembleError> {
        let job = match self.load_plan(keys).await {
            Ok(plan) => plan.job,
            Err(AssembleError::Document { .. }) => None,
            Err(error) => return Err(error),
        };
        join.failure = Some(JoinFailure {
            attempt: metadata.attempt,
            said: JoinFailed {
                generation: join.generation,
                fault: Fault::Permanent,
                reason: excerpt(&error.to_string(), 600),
                command: job.map(|job| PlanVideo {
                    requeue: true,
                    ..job
                }),
            },
        });
        Ok(join)
    }

    pub(crate) async fn publish(
        &self,
        cause: &Metadata,
        generation: u32,
        news: Vec<(u32, Event)>,
    ) -> Result<(), AssembleError> {
        if news.is_empty() {
            return Ok(());
        }
        let generation = generation.to_string();
        let now = self.clock.now();
        let envelopes: Vec<_> = news
            .into_iter()
            .map(|(attempt, event)| {
                let cause = Metadata {
                    attempt,
                    ..cause.clone()
                };
                Envelope::follow(&cause, &[&generation], event, now)
            })
            .collect();
        Ok(self.bus.publish(&envelopes).await?)
    }
}
