use cattube_contract::command::TranscodeChunk;
use cattube_contract::event::{
    MasterLocation, MessageBuried, RetriesExhausted, Stage, UploadAbandoned, VideoReady,
};
use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
use cattube_contract::plan::{AudioEncoding, Quality, Rendition, SliceRef, VideoEncoding};
use cattube_contract::{Fault, envelope::SCHEMA};
use proptest::prelude::*;

use super::alarm::AlarmNews;
use super::link::LinkFault;
use super::subject::{Ending, Subject};
use cattube_contract::event::FailedWork;
use cattube_contract::plan::ChunkWork;
use cattube_contract::{Envelope, Event, Metadata};

use super::*;

const END: i64 = 72 * 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn metadata(attempt: u32, second: i64) -> Metadata {
    Metadata {
        event_id: EventId::derive("t", &[&attempt.to_string(), &second.to_string()]),
        video_id: VideoId::new(Timestamp::UNIX_EPOCH, 1),
        owner_id: OwnerId::of_subject("a"),
        caused_by: None,
        attempt,
        hop: 3,
        schema: SCHEMA,
        occurred_at: at(second),
    }
}

fn rendition(name: &str) -> Rendition {
    Rendition {
        name: name.to_owned(),
        width_px: 2,
        height_px: 2,
        max_bitrate_bps: 1,
        level_times_ten: 40,
        quality: Quality::Crf(23),
    }
}

fn chunk_work(chunk: &str, sizes: &[&str]) -> FailedWork {
    FailedWork::Chunk(Box::new(TranscodeChunk {
        generation: 1,
        chunk: chunk.parse().unwrap(),
        master: MasterLocation {
            key: "m".to_owned(),
            etag: "e".to_owned(),
            size_bytes: 1,
        },
        slice: SliceRef {
            offset_bytes: 0,
            length_bytes: 1,
        },
        work: ChunkWork::Video {
            range: TickRange { start: 0, end: 1 },
            encoding: VideoEncoding {
                timescale: 1,
                shift_ticks: 0,
                frame_rate: Rational { num: 1, den: 1 },
                segment_ticks: 1,
                rotation: Rotation::None,
                dynamic_range: DynamicRange::Sdr,
                renditions: sizes.iter().map(|name| rendition(name)).collect(),
                thumbnail_ticks: 1,
                thumbnail_width_px: 2,
                thumbnail_height_px: 2,
            },
            makes_poster: false,
        },
        reuse: None,
    }))
}

fn sound_work(chunk: &str) -> FailedWork {
    let FailedWork::Chunk(mut command) = chunk_work(chunk, &[]) else {
        panic!("no chunk");
    };
    command.work = ChunkWork::Audio {
        range: TickRange { start: 0, end: 1 },
        encoding: AudioEncoding {
            source_rate_hz: 48_000,
            shift_samples: 0,
            bitrate_bps: 1,
        },
    };
    FailedWork::Chunk(command)
}

fn exhausted(chunk: &str, work: Option<FailedWork>, rendition: Option<&str>) -> Concern {
    let envelope = Envelope {
        metadata: metadata(5, 0),
        event: Event::RetriesExhausted(RetriesExhausted {
            generation: 1,
            chunk: Some(chunk.parse().unwrap()),
            attempts: 5,
            fault: Fault::Transient,
            reason: "the encoder \u{1b}[2J died".to_owned(),
            stage: Stage::Work,
            work,
            rendition: rendition.map(str::to_owned),
        }),
    };
    Concern::of(&envelope).unwrap()
}

fn ticket_of(concern: &Concern) -> Ticket {
    Ticket::open(concern, 1, [7, 8], at(0), at(END))
}

fn skip(name: &str) -> Answer {
    Answer::SkipSize(name.to_owned())
}

#[test]
fn a_chunk_may_be_tried_again_or_do_without_a_size() {
    let sizes = ["1080p", "720p", "480p"];
    let all = exhausted("v00001", Some(chunk_work("v00001", &sizes)), None);
    let ticket = ticket_of(&all);
    let answers = [
        Answer::Retry,
        skip("1080p"),
        skip("720p"),
        skip("480p"),
        Answer::GiveUp,
    ];
    assert_eq!(ticket.answers(), answers);
    let one = exhausted("v00002", Some(chunk_work("v00002", &sizes)), Some("720p"));
    let answers = [Answer::Retry, skip("720p"), Answer::GiveUp];
    assert_eq!(ticket_of(&one).answers(), answers);
    // Two sizes fail in two chunks: either may be left out, the taller first.
    let other = exhausted("v00003", Some(chunk_work("v00003", &sizes)), Some("1080p"));
    let answers = [Answer::Retry, skip("1080p"), skip("720p"), Answer::GiveUp];
    assert_eq!(ticket_of(&one).join(&other.failure).answers(), answers);
}

#[test]
fn the_only_size_cannot_be_left_out_and_without_work_there_is_no_retry() {
    let one = exhausted("v00001", Some(chunk_work("v00001", &["720p"])), None);
    assert_eq!(ticket_of(&one).answers(), [Answer::Retry, Answer::GiveUp]);
    let none = exhausted("v00001", None, Some("720p"));
    assert_eq!(ticket_of(&none).answers(), [Answer::GiveUp]);
}

#[test]
fn any_video_may_do_without_its_sound() {
    let work = || Some(sound_work("a00001"));
    let answers = [Answer::Retry, skip("audio"), Answer::GiveUp];
    for rendition in [None, Some("audio")] {
        let sound = exhausted("a00001", work(), rendition);
        assert_eq!(ticket_of(&sound).answers(), answers);
        let without_work = exhausted("a00001", None, rendition);
        assert_eq!(ticket_of(&without_work).answers(), answers[1..]);
    }
    let sound = exhausted("a00001", work(), None);
    // A film of one size: it cannot do without that.
    let pictures = exhausted("v00001", Some(chunk_work("v00001", &["720p"])), None);
    let both = ticket_of(&pictures).join(&sound.failure);
    assert_eq!(both.answers(), answers);
    let pictures = exhausted(
        "v00001",
        Some(chunk_work("v00001", &["720p", "480p"])),
        Some("480p"),
    );
    let both = ticket_of(&pictures).join(&sound.failure);
    let answers = [Answer::Retry, skip("480p"), skip("audio"), Answer::GiveUp];
    assert_eq!(both.answers(), answers);
    let text = words::text(&both, "https://api.test");
    for part in [
        "?answer=skip-audio&",
        "skip audio: make the video without its sound\n",
        "skip 480p: make the video without 480p\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let answered = both.answer(&skip("audio"), None, at(1)).unwrap();
    let (_, said) = answered.answered(&skip("audio"), at(1));
    assert_eq!((said.answer, said.work), (skip("audio"), None));
}

#[test]
fn failures_of_one_making_share_a_ticket_and_the_same_one_counts_once() {
    let first = exhausted("v00001", None, None);
    let mut ticket = ticket_of(&first);
    for place in 2..=900 {
        let concern = exhausted(&format!("v{place:05}"), None, None);
        assert_eq!(concern.cause, first.cause);
        ticket = ticket.join(&concern.failure).join(&concern.failure);
    }
    assert_eq!((ticket.failures.len(), ticket.more), (900, 0));
    assert_eq!(ticket.clone().join(&first.failure), ticket);
    let size = serde_json::to_vec(&ticket).unwrap().len();
    assert!(size < 40_000, "{size} bytes");
}

#[test]
fn a_ticket_stays_far_below_what_an_item_may_hold() {
    let mut ticket = ticket_of(&exhausted("v00001", None, None));
    let failure = exhausted("v00001", None, None).failure;
    for place in 0..MAX_FAILURES + 10 {
        ticket = ticket.join(&Failure {
            name: format!("{place:032}"),
            ..failure.clone()
        });
    }
    assert_eq!((ticket.failures.len(), ticket.more), (MAX_FAILURES, 11));
    let size = serde_json::to_vec(&ticket).unwrap().len();
    assert!(size < 300_000, "{size} bytes");
    assert!(words::failures(&ticket).ends_with("and 5001 more"));
}

#[test]
fn the_first_answer_counts() {
    let ticket = ticket_of(&exhausted(
        "v00001",
        Some(chunk_work("v00001", &["720p", "480p"])),
        None,
    ));
    let operator = Some(OwnerId::of_subject("operator"));
    let refused = ticket.clone().answer(&skip("1080p"), None, at(1));
    assert_eq!(refused, Err(Refusal::NotOffered));
    let answered = ticket.answer(&Answer::Retry, operator, at(1)).unwrap();
    assert!(!answered.is_open());
    let again = answered.clone().answer(&Answer::Retry, None, at(2));
    assert_eq!(again, Ok(answered.clone()));
    let other = answered.clone().answer(&Answer::GiveUp, None, at(2));
    assert_eq!(other, Err(Refusal::Answered));
    assert_eq!(answered.clone().close("VideoReady", at(2)), answered);
}

#[test]
fn a_closed_ticket_takes_no_answer() {
    let ticket = ticket_of(&exhausted("v00001", None, None)).close("VideoReady", at(1));
    let refused = ticket.answer(&Answer::GiveUp, None, at(2));
    assert_eq!(refused, Err(Refusal::Closed));
}

#[test]
fn each_round_is_a_question_of_its_own() {
    let concern = exhausted("v00001", None, None);
    let (first, second) = (
        Ticket::open(&concern, 1, [7, 8], at(0), at(END)),
        Ticket::open(&concern, 2, [7, 8], at(0), at(END)),
    );
    assert_ne!(first.ticket_id, second.ticket_id);
    let id = |ticket: &Ticket| ticket.requested(at(1)).0.event_id;
    assert_ne!(id(&first), id(&second));
    assert_eq!(id(&first), id(&ticket_of(&concern)));
}

#[test]
fn work_is_tried_again_with_its_attempt_and_is_told_apart() {
    let work = chunk_work("v00001", &["720p"]);
    let concern = exhausted("v00001", Some(work.clone()), None);
    let other = exhausted("v00002", Some(chunk_work("v00002", &["720p"])), None);
    let ticket = ticket_of(&concern).join(&other.failure);
    let (said, answered) = ticket.retried(&concern.failure, at(9)).unwrap();
    assert_eq!((said.attempt, said.hop), (5, 0));
    assert_eq!(said.occurred_at, at(9));
    assert_eq!(answered.work, Some(work));
    assert_eq!(answered.generation, 1);
    let (second, _) = ticket.retried(&other.failure, at(9)).unwrap();
    assert_ne!(said.event_id, second.event_id);
    let without = exhausted("v00003", None, None);
    assert_eq!(ticket.retried(&without.failure, at(9)), None);
}

#[test]
fn the_opener_tells_people_and_another_only_when_it_does_not() {
    let concern = exhausted("v00001", None, None);
    let ticket = ticket_of(&concern);
    let other = EventId::derive("other", &[]);
    assert!(ticket.must_tell(concern.failure.event_id, at(5)));
    assert!(!ticket.must_tell(other, at(5)));
    assert!(ticket.must_tell(other, at(901)));
    // What counts is when it was opened, not how late the failure was heard of.
    let late = Ticket::open(&concern, 1, [7, 8], at(5_000), at(END));
    assert!(!late.must_tell(other, at(5_001)));
    let noticed = Ticket {
        noticed: true,
        ..ticket
    };
    assert!(!noticed.must_tell(other, at(901)));
    assert!(noticed.must_tell(concern.failure.event_id, at(901)));
    let closed = noticed.close("VideoReady", at(2));
    assert!(!closed.must_tell(concern.failure.event_id, at(901)));
}

#[test]
fn a_cancelled_upload_concerns_nobody() {
    let abandoned = |attempts| Envelope {
        metadata: metadata(1, 0),
        event: Event::UploadAbandoned(UploadAbandoned {
            attempts,
            reason: "r".to_owned(),
        }),
    };
    assert_eq!(Concern::of(&abandoned(0)), None);
    let concern = Concern::of(&abandoned(5)).unwrap();
    assert_eq!(ticket_of(&concern).answers(), [Answer::GiveUp]);
}

#[test]
fn a_message_that_was_sent_back_and_buried_again_is_news() {
    let buried = |second| {
        let envelope = Envelope {
            metadata: metadata(1, second),
            event: Event::MessageBuried(MessageBuried {
                queue: "manage".to_owned(),
                reason: "poison".to_owned(),
                body_sha256: "ab".repeat(32),
                body: Some("{}".to_owned()),
            }),
        };
        Concern::of(&envelope).unwrap()
    };
    let ticket = ticket_of(&buried(0));
    assert_eq!(ticket.answers(), [Answer::Retry, Answer::GiveUp]);
    assert!(!ticket.is_outdated_by(&buried(3).failure));
    let answered = ticket.clone().answer(&Answer::Retry, None, at(2)).unwrap();
    assert!(!answered.is_outdated_by(&buried(0).failure));
    assert!(answered.is_outdated_by(&buried(3).failure));
    let left = ticket.answer(&Answer::GiveUp, None, at(2)).unwrap();
    assert!(!left.is_outdated_by(&buried(3).failure));
}

#[test]
fn a_message_too_long_for_the_bus_cannot_be_sent_back_from_here() {
    let envelope = Envelope {
        metadata: metadata(1, 0),
        event: Event::MessageBuried(MessageBuried {
            queue: "manage".to_owned(),
            reason: "poison".to_owned(),
            body_sha256: "ab".repeat(32),
            body: None,
        }),
    };
    let ticket = ticket_of(&Concern::of(&envelope).unwrap());
    assert_eq!(ticket.answers(), [Answer::GiveUp]);
}

fn ready(generation: u32) -> Event {
    Event::VideoReady(VideoReady {
        generation,
        hls_key: String::new(),
        dash_key: String::new(),
        poster_key: String::new(),
        storyboard_key: String::new(),
        duration_ms: 1,
        size_bytes: 1,
        frame_count: 1,
    })
}

#[test]
fn what_has_ended_needs_no_question() {
    let concern = exhausted("v00001", None, None);
    let newer = Concern {
        cause: Cause::Making {
            video_id: concern.failure.video_id,
            generation: 2,
        },
        ..concern.clone()
    };
    let ended = Subject::default().end(Ending::of(&ready(1)).unwrap());
    assert!(ended.is_over(&concern) && !ended.is_over(&newer));
    // An older making that ends later opens nothing again.
    let both = ended.end(Ending::Making(2)).end(Ending::Making(1));
    assert!(both.is_over(&concern) && both.is_over(&newer));
    let deleted = Subject::default().end(Ending::Deleted);
    assert!(deleted.is_over(&newer));
    let begun = Subject::default().with(2, TicketId::derive("x", 1));
    assert!(begun.clone().end(Ending::Rejected).is_over(&newer));
    assert!(!begun.is_over(&newer));
}

#[test]
fn a_whole_upload_that_nobody_takes_up_is_a_question_until_it_is_a_video() {
    let envelope = Envelope {
        metadata: metadata(1, 0),
        event: Event::RetriesExhausted(RetriesExhausted {
            generation: 0,
            chunk: None,
            attempts: 1,
            fault: Fault::Permanent,
            reason: "the file is whole, and nobody took it up".to_owned(),
            stage: Stage::Upload,
            work: None,
            rendition: None,
        }),
    };
    let concern = Concern::of(&envelope).unwrap();
    let video_id = envelope.metadata.video_id;
    assert_eq!(concern.cause, Cause::Upload { video_id });
    let begun = Subject::default();
    assert!(!begun.is_over(&concern));
    assert!(begun.end(Ending::Making(1)).is_over(&concern));
    let ticket = ticket_of(&concern);
    assert_eq!(ticket.answers(), [Answer::GiveUp]);
    let effect = words::effect(&ticket, &Answer::GiveUp);
    assert!(effect.starts_with("seen"), "{effect}");
}

fn alarm_body(value: &str, timestamp: &str) -> String {
    serde_json::json!({
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92", "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch", "time": "2026-10-02T17:04:40Z",
        "detail": { "alarmName": "cattube-manage-dead-letters", "state": { "value": value, "reason": "Threshold Crossed", "timestamp": timestamp } },
    })
    .to_string()
}

#[test]
fn an_alarm_is_read_to_the_millisecond_and_ends_when_it_is_quiet() {
    let read = |value, timestamp| alarm::read(&alarm_body(value, timestamp));
    let Ok(AlarmNews::Raised(raised)) = read("ALARM", "2026-10-02T17:04:40.985+0000") else {
        panic!("not raised");
    };
    let moment: Timestamp = "2026-10-02T17:04:40.985Z".parse().unwrap();
    assert_eq!(raised.failure.occurred_at, moment);
    assert_eq!(ticket_of(&raised).answers(), [Answer::GiveUp]);
    let Ok(AlarmNews::Quiet { name, at }) = read("OK", "2026-10-02T17:04:41.000+0000") else {
        panic!("not quiet");
    };
    assert_eq!(raised.cause, Cause::Alarm { name });
    assert!(Subject::default().end(Ending::Quiet(at)).is_over(&raised));
    let before = Ending::Quiet("2026-10-02T17:04:40.984Z".parse().unwrap());
    assert!(!Subject::default().end(before).is_over(&raised));
    assert_eq!(read("INSUFFICIENT_DATA", ""), Ok(AlarmNews::Unknown));
    let error = read("MAYBE", "").unwrap_err();
    assert!(error.contains("detail.state.value"), "{error}");
    let error = alarm::read("{}").unwrap_err();
    assert!(error.contains("id"), "{error}");
}

fn query_of(path: &str) -> BTreeMap<String, String> {
    let (_, query) = path.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

proptest! {
    #[test]
    fn a_link_gives_its_answer_and_any_change_of_it_gives_none(
        name in "[0-9]{3,4}p|[ -~]{1,12}", field in 0_usize..3, place in 0_usize..64, digit in "[0-9a-f]"
    ) {
        let ticket = ticket_of(&exhausted("v00001", None, None));
        let query = query_of(&link::path(&ticket, &skip(&name)));
        prop_assert_eq!(link::read(&ticket, &query, at(0)), Ok(skip(&name)));
        let field = ["answer", "expires", "signature"][field];
        let mut letters: Vec<char> = query[field].chars().collect();
        let place = place % letters.len();
        let digit = digit.chars().next().unwrap();
        prop_assume!(letters[place] != digit);
        letters[place] = digit;
        let mut forged = query.clone();
        forged.insert(field.to_owned(), letters.into_iter().collect());
        prop_assert_eq!(link::read(&ticket, &forged, at(0)), Err(LinkFault::Forged));
        let mut short = query;
        short.remove(field);
        prop_assert_eq!(link::read(&ticket, &short, at(0)), Err(LinkFault::Forged));
    }

    #[test]
    fn no_query_makes_a_link_panic(answer in ".{0,20}", expires in ".{0,20}", signature in ".{0,80}") {
        let ticket = ticket_of(&exhausted("v00001", None, None));
        let fields = [("answer", answer), ("expires", expires), ("signature", signature)];
        let query = fields.map(|(name, text)| (name.to_owned(), text)).into();
        prop_assert_eq!(link::read(&ticket, &query, at(0)), Err(LinkFault::Forged));
    }

    #[test]
    fn subjects_of_notices_are_what_sns_takes(name in ".{0,300}") {
        let concern = Concern { cause: Cause::Alarm { name }, ..exhausted("v00001", None, None) };
        let subject = words::subject(&ticket_of(&concern));
        prop_assert!(subject.len() <= 100 && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
}

#[test]
fn a_link_is_for_one_ticket_and_for_a_while() {
    let concern = exhausted("v00001", None, None);
    let ticket = ticket_of(&concern);
    let query = query_of(&link::path(&ticket, &Answer::GiveUp));
    assert_eq!(link::read(&ticket, &query, at(END - 1)), Ok(Answer::GiveUp));
    let late = link::read(&ticket, &query, at(END));
    assert_eq!(late, Err(LinkFault::Expired));
    let next = Ticket::open(&concern, 2, [7, 8], at(0), at(END));
    assert_eq!(link::read(&next, &query, at(0)), Err(LinkFault::Forged));
    let other_key = Ticket::open(&concern, 1, [7, 9], at(0), at(END));
    let forged = link::read(&other_key, &query, at(0));
    assert_eq!(forged, Err(LinkFault::Forged));
}

#[test]
fn a_signature_is_the_standards() {
    // HMAC-SHA256 of the text by the key, as `openssl dgst -sha256 -hmac` gives it.
    let mut ticket = ticket_of(&exhausted("v00001", None, None));
    ticket.key = "key".to_owned();
    let path = link::path(&ticket, &Answer::Retry);
    let signed = "/v1/answers/tkt_a15574eebe755dcc802198d0ffc9c0d7?answer=retry&expires=1800259200";
    let signature = "18f3e5ba2a984715adfbcee989ed4c06aa817f42407b33d99c15c14ff160d18d";
    assert_eq!(path, format!("{signed}&signature={signature}"));
}

#[test]
fn words_are_links_ways() {
    for answer in [Answer::Retry, skip("720p"), skip("audio"), Answer::GiveUp] {
        assert_eq!(link::answer_of(&link::word(&answer)), Some(answer));
    }
    for word in ["", "skip-", "skip", "Retry", "give_up"] {
        assert_eq!(link::answer_of(word), None, "{word}");
    }
}

#[test]
fn a_notice_says_why_and_has_every_link() {
    let work = chunk_work("v00001", &["1080p", "720p"]);
    let ticket = ticket_of(&exhausted("v00001", Some(work), Some("1080p")));
    let text = words::text(&ticket, "https://api.test");
    for part in [
        "v00001",
        "the encoder  [2J died",
        "\nhttps://api.test/v1/answers/tkt_",
        "?answer=retry&",
        "?answer=skip-1080p&",
        "?answer=give-up&",
        "2027-01-18T08:00:00Z",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
    // What is said on the bus has no link and no key.
    let said = serde_json::to_string(&ticket.requested(at(1))).unwrap();
    assert!(!said.contains("answers") && !said.contains(&ticket.key));
}

#[test]
fn what_can_end_by_itself_has_a_partition_of_its_own() {
    let video_id = VideoId::new(Timestamp::UNIX_EPOCH, 1);
    let making = Cause::Making {
        video_id,
        generation: 7,
    };
    let upload = Cause::Upload { video_id };
    let alarm = Cause::Alarm {
        name: "a".to_owned(),
    };
    let message = Cause::Message {
        owner_id: OwnerId::of_subject("a"),
        queue: "assemble".to_owned(),
        reason: "r".to_owned(),
    };
    assert_eq!(making.subject(), Some(concern::video_subject(video_id)));
    assert_eq!(upload.subject(), making.subject());
    assert_eq!(alarm.subject(), Some(concern::alarm_subject("a")));
    assert_eq!(message.subject(), None);
    assert_eq!((making.generation(), upload.generation()), (7, 0));
    let texts = [making.text(), upload.text(), alarm.text(), message.text()];
    let different: std::collections::BTreeSet<_> = texts.iter().collect();
    assert_eq!(different.len(), texts.len());
}

#[test]
fn a_ticket_lists_its_failures_and_says_what_it_is_about() {
    let first = exhausted("v00001", None, None);
    let second = exhausted("v00002", None, None);
    let ticket = ticket_of(&first).join(&second.failure);
    let keys: Vec<String> = ticket.failure_keys().collect();
    assert_eq!(keys, [first.failure.sort_key(), second.failure.sort_key()]);
    assert!(keys[0].starts_with("work#v00001#"), "{keys:?}");
    let subject = words::subject(&ticket);
    assert_eq!(subject, format!("[CatTube] {}", words::headline(&ticket)));
}
