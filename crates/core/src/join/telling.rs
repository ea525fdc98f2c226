//! Which events are about a join, and which of them have it say again what stands.

use cattube_contract::{Envelope, Event, EventId};

use super::Join;

impl Join {
    /// Whether an event is a chunk's or the plan's of the newest making.
    #[must_use]
    pub fn concerns(&self, event: &Event) -> bool {
        generation_of(event) == Some(self.generation)
    }

    /// Whether an event is a chunk's or the plan's of the older making that stands.
    #[must_use]
    pub fn is_of_the_standing(&self, event: &Event) -> bool {
        let standing = self.standing.as_ref().map(|standing| standing.generation);
        standing.is_some() && generation_of(event) == standing
    }

    /// Whether what was said because of the event `by` is said again when `envelope` comes.
    /// It is when that very event comes again, since its handler may have died before it could
    /// publish, and when the plan is said again, which is how lost events are made good. Other
    /// chunks are no reason: a film that is ready before their events come has a thousand.
    #[must_use]
    pub fn says_again(by: Option<EventId>, envelope: &Envelope) -> bool {
        let is_the_plan = matches!(envelope.event, Event::VideoPlanned(_));
        is_the_plan || by.is_none_or(|by| by == envelope.metadata.event_id)
    }
}

/// The making that an event is of, if it tells of a plan or a finished chunk.
fn generation_of(event: &Event) -> Option<u32> {
    match event {
        Event::VideoPlanned(planned) => Some(planned.generation),
        Event::ChunkTranscoded(transcoded) => Some(transcoded.generation),
        Event::UploadRequested(_)
        | Event::UploadFailed(_)
        | Event::VideoUploaded(_)
        | Event::VideoRejected(_)
        | Event::PlanFailed(_)
        | Event::ChunkFailed(_)
        | Event::VideoPlayable(_)
        | Event::VideoReady(_)
        | Event::VideoDeleted(_)
        | Event::VideoAbandoned(_)
        | Event::RetryScheduled(_)
        | Event::UploadResumed(_)
        | Event::UploadAbandoned(_)
        | Event::UploadCompleted(_)
        | Event::JoinFailed(_)
        | Event::RetryRequested(_)
        | Event::MessageBuried(_)
        | Event::HumanRequested(_)
        | Event::HumanAnswered(_)
        | Event::RetriesExhausted(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::tests;
    use cattube_contract::{Metadata, OwnerId, VideoId};
    use jiff::Timestamp;

    fn planned(generation: u32) -> Event {
        tests::planned(generation, 2, 0)
    }

    fn done(generation: u32) -> Event {
        tests::done(generation, "v00001")
    }

    fn envelope(name: &str, event: Event) -> Envelope {
        let metadata = Metadata {
            event_id: EventId::derive(name, &[]),
            video_id: VideoId::NONE,
            owner_id: OwnerId::NONE,
            caused_by: None,
            attempt: 1,
            hop: 0,
            schema: 1,
            occurred_at: Timestamp::UNIX_EPOCH,
        };
        Envelope { metadata, event }
    }

    #[test]
    fn what_stands_is_said_again_to_the_event_that_led_to_it_and_to_the_plan() {
        let by = Some(EventId::derive("last chunk", &[]));
        assert!(Join::says_again(by, &envelope("last chunk", done(1))));
        assert!(!Join::says_again(by, &envelope("another chunk", done(1))));
        assert!(Join::says_again(by, &envelope("the plan", planned(1))));
        // A join that was stored before this was noted.
        assert!(Join::says_again(None, &envelope("another chunk", done(1))));
    }

    #[test]
    fn plans_and_chunks_are_of_the_newest_or_the_standing_making() {
        let join = Join::default()
            .evolve(&planned(1))
            .after(crate::join::JoinStep::Finish)
            .evolve(&planned(2));
        for event in [planned, done] {
            assert!(join.concerns(&event(2)) && !join.is_of_the_standing(&event(2)));
            assert!(join.is_of_the_standing(&event(1)) && !join.concerns(&event(1)));
            assert!(!join.concerns(&event(3)) && !join.is_of_the_standing(&event(3)));
            let fresh = Join::default().evolve(&planned(1));
            assert!(!fresh.is_of_the_standing(&event(1)));
        }
        let deleted =
            Event::VideoDeleted(cattube_contract::event::VideoDeleted { master_key: None });
        assert!(!join.concerns(&deleted) && !join.is_of_the_standing(&deleted));
    }
}
