//! How events move the record forward.

use cattube_contract::event::{
    Answer, FailedWork, HumanAnswered, MasterLocation, VideoPlanned, VideoReady, VideoRejected,
};
use cattube_contract::{Envelope, Event, Fault};

use super::{Failure, PlanSummary, Rejection, Video, VideoState};

impl Video {
    /// The video after an event. The same event again changes nothing.
    #[must_use]
    pub fn evolve(mut self, envelope: &Envelope) -> Self {
        let before = self.clone();
        self.created_at = self.created_at.min(envelope.metadata.occurred_at);
        if before.state != VideoState::Deleted {
            self.apply(envelope);
        }
        if self != before {
            self.updated_at = before.updated_at.max(envelope.metadata.occurred_at);
        }
        self
    }

    fn apply(&mut self, envelope: &Envelope) {
        if let Some(master) = master_of(&envelope.event).filter(|_| self.master.is_none()) {
            self.master_key = Some(master.key.clone());
            self.master = Some(master.clone());
        }
        match &envelope.event {
            Event::UploadRequested(requested) => {
                if self.title.is_empty() {
                    self.title.clone_from(&requested.title);
                    self.sizes = requested.sizes.clone();
                }
            }
            Event::VideoUploaded(uploaded) => {
                self.title.clone_from(&uploaded.title);
                self.sizes = uploaded.sizes.clone();
                self.master_key = Some(uploaded.master.key.clone());
                self.master = Some(uploaded.master.clone());
                self.generation = self.generation.max(uploaded.generation);
                self.advance(VideoState::Uploaded);
            }
            Event::VideoPlanned(planned) => self.plan(planned),
            Event::VideoPlayable(playable) => {
                // Players stay with an older making until a newer one is ready.
                if self.enter(playable.generation) && self.ready.is_none() {
                    self.hls_key = Some(playable.hls_key.clone());
                    self.head_generation = Some(playable.generation);
                    self.advance(VideoState::Playable);
                }
            }
            Event::VideoReady(ready) => self.replace(ready),
            Event::VideoRejected(rejected) => self.reject(envelope, rejected),
            Event::UploadFailed(failed) => {
                self.note(envelope, &failed.reason, failed.fault);
            }
            Event::UploadAbandoned(abandoned) => {
                if self.state == VideoState::Uploading {
                    self.note(envelope, &abandoned.reason, Fault::Permanent);
                    self.advance(VideoState::Abandoned);
                }
            }
            Event::PlanFailed(failed) => self.note(envelope, &failed.reason, failed.fault),
            Event::ChunkFailed(failed) => self.note(envelope, &failed.reason, failed.fault),
            Event::JoinFailed(failed) => self.note(envelope, &failed.reason, failed.fault),
            Event::MessageBuried(buried) => {
                self.note(envelope, &buried.reason, Fault::Permanent);
            }
            Event::ChunkTranscoded(transcoded) => {
                self.enter(transcoded.generation);
            }
            Event::VideoDeleted(_) => self.state = VideoState::Deleted,
            Event::RetryRequested(requested) => {
                if self.enter(requested.generation) {
                    self.begin_redo(requested);
                }
            }
            Event::VideoAbandoned(abandoned) => {
                self.abandon(envelope, abandoned.generation, &abandoned.reason);
            }
            Event::HumanAnswered(answered) => self.hear_answer(answered),
            Event::RetriesExhausted(exhausted) => {
                if self.enter(exhausted.generation) && self.is_in_the_making() {
                    self.needs_attention = Some(exhausted.reason.clone());
                }
            }
            Event::RetryScheduled(_)
            | Event::UploadResumed(_)
            | Event::UploadCompleted(_)
            | Event::HumanRequested(_) => {}
        }
    }

    fn plan(&mut self, planned: &VideoPlanned) {
        if self.enter(planned.generation) {
            self.plan = Some(PlanSummary::of(planned));
            self.advance(VideoState::Planned);
        }
    }

    fn hear_answer(&mut self, answered: &HumanAnswered) {
        // A size is skipped by a new making: what was asked stands until that begins.
        let skips = matches!(answered.answer, Answer::SkipSize(_));
        if answered.generation == self.generation && !skips {
            self.needs_attention = None;
        }
    }

    /// Its master is refused. A new making of what is ready ends with that, and no more: what
    /// is ready was made of a master that was accepted once.
    fn reject(&mut self, envelope: &Envelope, rejected: &VideoRejected) {
        if self.ready.is_some() {
            self.abandon(envelope, rejected.generation, &rejected.reason);
        } else if !self.is_terminal() {
            self.rejection = Some(Rejection {
                code: rejected.code,
                reason: rejected.reason.clone(),
            });
            self.advance(VideoState::Rejected);
        }
    }

    /// A making is ready: it is what players get from now on, unless a newer one is.
    fn replace(&mut self, ready: &VideoReady) {
        let generation = ready.generation;
        let gone = matches!(
            self.state,
            VideoState::Rejected | VideoState::Abandoned | VideoState::Deleted
        ) || self.abandoned.contains(&generation);
        let standing = self.ready.as_ref().map(|standing| standing.generation);
        let older = standing.is_some_and(|standing| standing >= generation);
        if self.enter(generation) {
            self.needs_attention = None;
        }
        if !gone && !older {
            self.superseded.extend(standing.unwrap_or(1)..generation);
            self.hls_key = Some(ready.hls_key.clone());
            self.head_generation = None;
            self.ready = Some(ready.clone());
            self.advance(VideoState::Ready);
        }
    }

    /// A making was given up: the video with it, unless an older making is ready. One that
    /// was ready before that stays.
    fn abandon(&mut self, envelope: &Envelope, generation: u32, reason: &str) {
        let served = self.ready.as_ref().map(|ready| ready.generation);
        if served.is_some_and(|served| served >= generation) {
            return;
        }
        if self.enter(generation) {
            // Makings in between were replaced by this one before they were ready.
            let first = served.map_or(1, |served| served.saturating_add(1));
            self.abandoned.extend(first..=generation);
            self.needs_attention = None;
            self.note(envelope, reason, Fault::Permanent);
            self.advance(VideoState::Abandoned);
        } else {
            self.abandoned.insert(generation);
        }
    }

    /// Whether an event of `generation` counts.
    fn enter(&mut self, generation: u32) -> bool {
        self.generation = self.generation.max(generation);
        generation == self.generation
    }

    fn advance(&mut self, state: VideoState) {
        if !self.is_terminal() && state > self.state {
            self.state = state;
        }
    }

    fn note(&mut self, envelope: &Envelope, reason: &str, fault: Fault) {
        let newer = self
            .last_failure
            .as_ref()
            .is_none_or(|last| last.occurred_at < envelope.metadata.occurred_at);
        if newer {
            self.last_failure = Some(Failure {
                event: envelope.event.name().to_owned(),
                reason: reason.to_owned(),
                fault,
                occurred_at: envelope.metadata.occurred_at,
            });
        }
    }
}

/// Where the master is, if an event tells. Whatever event comes first has to do: the one that
/// it arrived by may be lost, and who deletes the video wants the master gone.
#[must_use]
pub fn master_of(event: &Event) -> Option<&MasterLocation> {
    match event {
        Event::VideoUploaded(uploaded) => Some(&uploaded.master),
        Event::VideoPlanned(planned) => planned.master.as_ref(),
        Event::PlanFailed(failed) => failed.command.as_ref().map(|job| &job.master),
        Event::JoinFailed(failed) => failed.command.as_ref().map(|job| &job.master),
        Event::ChunkFailed(failed) => failed.command.as_ref().map(|work| &work.master),
        Event::RetryRequested(requested) => Some(&requested.master),
        Event::RetriesExhausted(exhausted) => match &exhausted.work {
            Some(FailedWork::Plan(job)) => Some(&job.master),
            Some(FailedWork::Chunk(work)) => Some(&work.master),
            Some(FailedWork::Message { .. }) | None => None,
        },
        Event::UploadRequested(_)
        | Event::UploadFailed(_)
        | Event::UploadResumed(_)
        | Event::UploadAbandoned(_)
        | Event::UploadCompleted(_)
        | Event::VideoRejected(_)
        | Event::ChunkTranscoded(_)
        | Event::VideoPlayable(_)
        | Event::VideoReady(_)
        | Event::VideoDeleted(_)
        | Event::RetryScheduled(_)
        | Event::VideoAbandoned(_)
        | Event::MessageBuried(_)
        | Event::HumanRequested(_)
        | Event::HumanAnswered(_) => None,
    }
}

/// Whether an event proves that there is a video. A deadline is set before its upload is
/// granted: what is said of such a message, and asked about it, may be about no video at all.
#[must_use]
pub fn is_of_a_video(event: &Event) -> bool {
    !matches!(
        event,
        Event::MessageBuried(_) | Event::HumanRequested(_) | Event::HumanAnswered(_)
    )
}
