use super::*;
use cattube_contract::command::{Base, Redo};
use cattube_contract::event::{
    Answer, HumanAnswered, RetriesExhausted, Stage, UploadRequested, VideoAbandoned, VideoDeleted,
    VideoPlayable, VideoRejected, VideoUploaded,
};
use cattube_contract::{Envelope, Event, EventId};
use proptest::prelude::*;

fn metadata(second: i64) -> Metadata {
    Metadata {
        event_id: EventId::derive("t", &[&second.to_string()]),
        video_id: VideoId::new(Timestamp::UNIX_EPOCH, 1),
        owner_id: OwnerId::of_subject("a"),
        caused_by: None,
        attempt: 1,
        hop: 0,
        schema: 1,
        occurred_at: Timestamp::from_second(second).unwrap(),
    }
}

fn life() -> Vec<Envelope> {
    let hls_key = "k".to_owned();
    let events = [
        Event::UploadRequested(UploadRequested {
            title: "cat".to_owned(),
            size_bytes: 9,
            content_type: "video/mp4".to_owned(),
            sizes: Sizes::Auto,
        }),
        Event::VideoUploaded(VideoUploaded {
            master: MasterLocation {
                key: "m".to_owned(),
                etag: "e".to_owned(),
                size_bytes: 9,
            },
            title: "cat".to_owned(),
            sizes: Sizes::Auto,
            generation: 1,
        }),
        Event::VideoPlanned(VideoPlanned {
            generation: 1,
            duration_ms: Some(1000),
            source_width_px: 2,
            source_height_px: 2,
            renditions: vec![],
            skipped_sizes: vec![],
            video_chunk_count: 3,
            audio_chunk_count: 1,
            master: None,
        }),
        Event::VideoPlayable(VideoPlayable {
            generation: 1,
            hls_key: hls_key.clone(),
            head_ms: 4,
        }),
        Event::VideoReady(VideoReady {
            generation: 1,
            hls_key,
            dash_key: "d".to_owned(),
            poster_key: "p".to_owned(),
            storyboard_key: "s".to_owned(),
            duration_ms: 1000,
            size_bytes: 5,
            frame_count: 25,
        }),
    ];
    events
        .into_iter()
        .zip(1..)
        .map(|(event, second)| Envelope {
            metadata: metadata(second),
            event,
        })
        .collect()
}

fn fold(events: &[Envelope]) -> Video {
    events
        .iter()
        .fold(Video::new(&events[0].metadata), Video::evolve)
}

proptest! {
    #[test]
    fn any_order_with_doubles_gives_the_same_video(
        order in Just(vec![0_usize, 1, 2, 3, 4, 0, 1, 2, 3, 4]).prop_shuffle()
    ) {
        let life = life();
        let shuffled: Vec<_> = order.iter().map(|place| life[*place].clone()).collect();
        let (mut left, mut right) = (fold(&shuffled), fold(&life));
        prop_assert_eq!(left.state, VideoState::Ready);
        // Only the time of the last change may differ.
        left.updated_at = Timestamp::UNIX_EPOCH;
        right.updated_at = Timestamp::UNIX_EPOCH;
        prop_assert_eq!(left, right);
    }
}

#[test]
fn deletion_wins_over_all() {
    let deleted = Envelope {
        metadata: metadata(3),
        event: Event::VideoDeleted(VideoDeleted { master_key: None }),
    };
    let mut events = life();
    events.insert(2, deleted);
    assert_eq!(fold(&events).state, VideoState::Deleted);
}

#[test]
fn a_rejected_video_stays_rejected() {
    let rejected = Envelope {
        metadata: metadata(2),
        event: Event::VideoRejected(VideoRejected {
            generation: 1,
            code: RejectionCode::Empty,
            reason: "empty".to_owned(),
        }),
    };
    let mut events = life();
    events.insert(2, rejected);
    let video = fold(&events);
    assert_eq!(video.state, VideoState::Rejected);
    assert!(video.ready.is_none());
}

fn rejected(generation: u32) -> Event {
    Event::VideoRejected(VideoRejected {
        generation,
        code: RejectionCode::UnsupportedCodec,
        reason: "not any more".to_owned(),
    })
}

#[test]
fn a_redo_whose_master_is_refused_ends_and_what_is_ready_stays() {
    let video = after(&[planned(1), ready(1)]);
    let request = video.redo(&RedoRequest::default()).unwrap();
    let video = then(
        video.allocate(&request, None),
        Event::RetryRequested(request),
    );
    assert!(video.is_in_the_making());
    let video = then(video, rejected(2));
    assert_eq!(video.state, VideoState::Ready);
    assert_eq!(video.served_generation(), Some(1));
    assert!(!video.is_in_the_making() && video.rejection.is_none());
    assert_eq!(video.last_failure.as_ref().unwrap().reason, "not any more");
    assert_eq!(video.aftermath(&rejected(2)).now, [making(2)]);
    // Another one can be asked for.
    let next = video.redo(&RedoRequest::default()).unwrap();
    assert_eq!(next.generation, 3);
    // Late words of what is ready, or without a generation, end nothing.
    for generation in [0, 1] {
        let after = then(video.clone(), rejected(generation));
        assert_eq!(after.served_generation(), Some(1));
        assert_eq!(after.aftermath(&rejected(generation)).now, []);
    }
}

fn ready(generation: u32) -> Event {
    Event::VideoReady(VideoReady {
        generation,
        hls_key: format!("g{generation}"),
        dash_key: "d".to_owned(),
        poster_key: "p".to_owned(),
        storyboard_key: "s".to_owned(),
        duration_ms: 1000,
        size_bytes: 5,
        frame_count: 25,
    })
}

fn planned(generation: u32) -> Event {
    Event::VideoPlanned(VideoPlanned {
        generation,
        duration_ms: Some(1000),
        source_width_px: 2,
        source_height_px: 2,
        renditions: ["720p", "360p"]
            .map(|name| RenditionSummary {
                name: name.to_owned(),
                width_px: 2,
                height_px: 2,
            })
            .into(),
        skipped_sizes: vec![],
        video_chunk_count: 3,
        audio_chunk_count: 1,
        master: None,
    })
}

fn abandoned(generation: u32) -> Event {
    Event::VideoAbandoned(VideoAbandoned {
        generation,
        reason: "enough".to_owned(),
    })
}

fn exhausted(generation: u32) -> Event {
    Event::RetriesExhausted(RetriesExhausted {
        generation,
        chunk: None,
        attempts: 5,
        fault: Fault::Transient,
        reason: "no luck".to_owned(),
        stage: Stage::Work,
        work: None,
        rendition: None,
    })
}

fn answered(generation: u32, answer: Answer) -> Event {
    Event::HumanAnswered(HumanAnswered {
        ticket_id: TicketId::derive("t", 1),
        generation,
        answer,
        work: None,
    })
}

/// The video after its arrival and these events, a second apart.
fn after(events: &[Event]) -> Video {
    let arrival = life().into_iter().take(2);
    let later = events.iter().zip(10..).map(|(event, second)| Envelope {
        metadata: metadata(second),
        event: event.clone(),
    });
    fold(&arrival.chain(later).collect::<Vec<_>>())
}

fn then(video: Video, event: Event) -> Video {
    video.evolve(&Envelope {
        metadata: metadata(90),
        event,
    })
}

fn redo(size: Option<&str>, chunk: Option<&str>) -> RedoRequest {
    RedoRequest {
        size: size.map(str::to_owned),
        chunk: chunk.map(|chunk| chunk.parse().unwrap()),
    }
}

fn making(generation: u32) -> Removal {
    Removal::Making(generation)
}

#[test]
fn a_redo_builds_on_what_is_ready_and_replaces_it_when_it_is() {
    let video = after(&[planned(1), ready(1)]);
    let request = video.redo(&redo(Some("360p"), None)).unwrap();
    assert_eq!(request.generation, 2);
    let base = Base {
        generation: 1,
        redo: Redo::Size("360p".to_owned()),
    };
    assert_eq!(request.base, Some(base));
    assert_eq!(request.master.etag, "e");
    let video = video.allocate(&request, None);
    assert_eq!(video.redo_in_progress(), Some(&request));
    assert_eq!(video.unheard_redo(), Some(&request));
    let video = then(video, Event::RetryRequested(request.clone()));
    assert_eq!(video.redo_in_progress(), Some(&request));
    assert_eq!(video.unheard_redo(), None);
    assert_eq!(
        (video.served_generation(), video.hls_key.as_deref()),
        (Some(1), Some("g1"))
    );
    // The head of the redo does not take the players away from what is whole.
    let playable = Event::VideoPlayable(VideoPlayable {
        generation: 2,
        hls_key: "g2".to_owned(),
        head_ms: 1,
    });
    let video = then(then(video, planned(2)), playable);
    assert_eq!(video.hls_key.as_deref(), Some("g1"));
    assert!(!video.may_remove(making(1)) && !video.may_remove(making(2)));
    let video = then(video, ready(2));
    assert_eq!(
        (video.served_generation(), video.hls_key.as_deref()),
        (Some(2), Some("g2"))
    );
    assert_eq!(video.redo_in_progress(), None);
    assert_eq!(video.aftermath(&ready(2)).later, [making(1)]);
    assert!(video.may_remove(making(1)) && !video.may_remove(making(2)));
    // Once it is removed, it is not removed at every later word; but what is late goes at once.
    let video = video.removed(making(1));
    assert_eq!(video.aftermath(&ready(2)), Aftermath::default());
    assert_eq!(video.aftermath(&ready(1)).now, [making(1)]);
}

#[test]
fn the_same_redo_twice_is_one_and_another_is_another() {
    let video = after(&[planned(1), ready(1)]);
    let first = video.redo(&redo(None, None)).unwrap();
    let video = video.allocate(&first, None);
    assert_eq!(video.redo(&redo(None, None)).unwrap(), first);
    assert_eq!(
        video.redo(&redo(None, Some("v00002"))).unwrap().generation,
        3
    );
    let stuck = then(
        then(video, Event::RetryRequested(first.clone())),
        exhausted(2),
    );
    assert_eq!(stuck.needs_attention.as_deref(), Some("no luck"));
    assert_eq!(stuck.redo(&redo(None, None)).unwrap().generation, 3);
    // A redelivery of the request does not hide what happened since.
    let again = then(stuck, Event::RetryRequested(first));
    assert_eq!(again.needs_attention.as_deref(), Some("no luck"));
    let done = then(again, ready(2));
    assert_eq!(done.redo(&redo(None, None)).unwrap().generation, 3);
}

#[test]
fn a_redo_is_refused_by_state_size_and_chunk() {
    let refused = |video: &Video, wanted| video.redo(&wanted).unwrap_err();
    let uploading = Video::new(&metadata(1));
    assert!(refused(&uploading, redo(None, None)).is_conflict());
    for event in [
        abandoned(1),
        Event::VideoDeleted(VideoDeleted { master_key: None }),
    ] {
        assert!(refused(&after(&[event]), redo(None, None)).is_conflict());
    }
    let mut unknown_master = after(&[ready(1)]);
    unknown_master.master = None;
    assert_eq!(
        refused(&unknown_master, redo(None, None)),
        RedoRefusal::NoMaster
    );
    let video = after(&[planned(1), ready(1)]);
    for (size, chunk, field) in [
        (Some("1080p"), None, "size: \"1080p\""),
        (None, Some("v00003"), "chunk: v00003"),
        (None, Some("a00001"), "chunk: a00001"),
        (Some("360p"), Some("v00000"), "chunk: "),
    ] {
        let refusal = refused(&video, redo(size, chunk));
        assert!(!refusal.is_conflict());
        assert!(refusal.to_string().starts_with(field), "{refusal}");
    }
    for (size, chunk) in [
        (Some("audio"), None),
        (None, Some("v00002")),
        (None, Some("a00000")),
    ] {
        assert!(video.redo(&redo(size, chunk)).is_ok());
    }
}

#[test]
fn an_answer_to_skip_is_taken_once_and_only_of_the_newest_making() {
    let ticket = TicketId::derive("t", 1);
    let video = after(&[planned(1), exhausted(1)]);
    let skip = Answer::SkipSize("360p".to_owned());
    let video = then(video, answered(1, skip));
    assert!(video.needs_attention.is_some());
    assert!(video.skip(ticket, 1, "144p").is_err());
    let silent = video.skip(ticket, 1, "audio").unwrap().unwrap();
    let redo = silent.base.map(|base| base.redo);
    assert_eq!(redo, Some(Redo::Skip("audio".to_owned())));
    let request = video.skip(ticket, 1, "360p").unwrap().unwrap();
    assert_eq!(request.generation, 2);
    let video = video.allocate(&request, Some(ticket));
    assert_eq!(
        video.skip(ticket, 1, "360p").unwrap(),
        Some(request.clone())
    );
    assert_eq!(video.clone().allocate(&request, Some(ticket)), video);
    let other = TicketId::derive("t", 2);
    assert_eq!(video.skip(other, 1, "360p").unwrap(), None);
    let video = then(video, Event::RetryRequested(request));
    assert_eq!(video.needs_attention, None);
}

#[test]
fn giving_up_a_redo_leaves_what_is_ready_and_takes_what_came_between() {
    let video = after(&[planned(1), ready(1), planned(2), planned(3)]);
    // An older one that is given up waits for the newest: that may be copying from it.
    let video = then(video, abandoned(2));
    assert_eq!(video.aftermath(&abandoned(2)), Aftermath::default());
    let video = then(video, abandoned(3));
    assert_eq!(video.state, VideoState::Ready);
    let goes = vec![making(2), making(3)];
    assert_eq!(
        video.aftermath(&abandoned(3)),
        Aftermath {
            now: goes.clone(),
            later: goes
        }
    );
    assert!(!video.may_remove(Removal::Video) && !video.may_remove(making(1)));
    assert!(!video.is_in_the_making());
    // Too late: its objects are gone.
    let video = then(video, ready(3));
    assert_eq!(video.served_generation(), Some(1));
}

#[test]
fn giving_up_the_only_making_takes_all_and_what_is_ready_cannot_be_given_up() {
    let video = after(&[planned(1), abandoned(1)]);
    assert_eq!(video.state, VideoState::Abandoned);
    let aftermath = video.aftermath(&abandoned(1));
    assert_eq!(
        (aftermath.now, aftermath.later),
        (vec![Removal::Video], vec![Removal::Video])
    );
    let late = video.aftermath(&planned(1));
    assert_eq!((late.now, late.later), (vec![Removal::Video], vec![]));
    let video = after(&[planned(1), ready(1), abandoned(1)]);
    assert_eq!(video.state, VideoState::Ready);
    assert_eq!(video.aftermath(&abandoned(1)), Aftermath::default());
    assert!(!video.may_remove(making(1)));
}

proptest! {
    #[test]
    fn what_is_served_is_never_removed(events in prop::collection::vec((0_usize..5, 1_u32..5), 0..30)) {
        let mut video = after(&[]);
        for (kind, generation) in events {
            let event = match kind {
                0 => planned(generation),
                1 => abandoned(generation),
                2 => exhausted(generation),
                _ => ready(generation),
            };
            let before = video.clone();
            video = then(video, event.clone());
            // What may be removed once may be removed for ever.
            for made in 1..5 {
                prop_assert!(!before.may_remove(making(made)) || video.may_remove(making(made)));
            }
            let Aftermath { now, later } = video.aftermath(&event);
            for removal in now.into_iter().chain(later) {
                prop_assert!(video.may_remove(removal));
                if video.state == VideoState::Ready {
                    prop_assert_ne!(removal.generation(), video.served_generation());
                    prop_assert_ne!(removal, Removal::Video);
                }
            }
        }
    }

    #[test]
    fn makings_end_the_same_in_any_order(order in Just(vec![0_usize, 1, 2, 3, 4, 5, 0, 2, 4]).prop_shuffle()) {
        let events = [planned(1), ready(1), planned(2), ready(2), planned(3), ready(3)];
        let shuffled: Vec<_> = order.iter().map(|place| events[*place].clone()).collect();
        let (mut left, mut right) = (after(&shuffled), after(&events));
        left.updated_at = right.updated_at;
        right.created_at = left.created_at;
        prop_assert_eq!(left, right);
    }
}

#[test]
fn an_answer_settles_the_question_of_its_own_making() {
    let video = after(&[planned(1), exhausted(1)]);
    assert!(video.needs_attention.is_some());
    let other = then(video.clone(), answered(2, Answer::Retry));
    assert!(other.needs_attention.is_some());
    for answer in [Answer::Retry, Answer::GiveUp] {
        let settled = then(video.clone(), answered(1, answer));
        assert_eq!(settled.needs_attention, None);
    }
}
