//! What is said of a join: what is new, and all of it again to whoever may have missed it.

use cattube_contract::command::PlanVideo;
use cattube_contract::event::JoinFailed;
use cattube_contract::key::VideoKeys;
use cattube_contract::{Envelope, Event, Fault, Metadata, excerpt};
use cattube_core::join::{Join, JoinFailure};

use crate::{AssembleError, Assembler};

/// What is to be said after `envelope`, each with its attempt: what is new, and what stands
/// already to whoever may have missed it, if the event was `seen` before.
pub(crate) fn news(
    before: &Join,
    join: &Join,
    envelope: &Envelope,
    seen: bool,
) -> Vec<(u32, Event)> {
    let again = |by| seen && Join::says_again(by, envelope);
    // Playable and ready are one fact a generation, whichever chunk happened to be the last.
    let mut news = Vec::new();
    if let Some(playable) = &join.playable
        && (again(join.playable_by) || before.playable.as_ref() != Some(playable))
        && join.ready.is_none()
    {
        news.push((1, Event::VideoPlayable(playable.clone())));
    }
    if let Some(ready) = &join.ready
        && (again(join.ready_by) || before.ready.as_ref() != Some(ready))
    {
        news.push((1, Event::VideoReady(ready.clone())));
    }
    if let Some(failure) = &join.failure
        && (seen || before.failure.as_ref() != Some(failure))
    {
        news.push((failure.attempt, Event::JoinFailed(failure.said.clone())));
    }
    news
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
