//! A chunk that fails for good: a person is asked once, and each answer has its effect.

use cattube::Client;
use cattube::api::VideoState;
use cattube_tests::engine::awaited;
use cattube_tests::faulty::{Fault, Planted};
use jiff::SignedDuration;

use super::broken::in_first_chunk;
use super::people::{Notice, await_count, await_notice, notices, open, press};
use super::play::check;
use super::stage::{PATIENCE, Stage, await_events, await_ready, await_state, chunk_count, send};

/// What the policy says: five attempts, 3, 12, 48 and 192 seconds apart, a quarter more or
/// less.
const DELAYS_MS: [u64; 4] = [3_000, 12_000, 48_000, 192_000];

/// A video whose first chunk fails and fails.
pub struct Failing {
    owner: &'static str,
    client: Client,
    video_id: String,
    planted: Planted,
}

fn begin(stage: &Stage, owner: &'static str, fault: Fault, size: u32) -> Failing {
    let planted = in_first_chunk(fault, size, "r1.mp4");
    stage.ffmpeg.plant(&planted);
    let client = stage.client(owner);
    let video_id = send(&client, &stage.clips.small, &[180, size]);
    Failing {
        owner,
        client,
        video_id,
        planted,
    }
}

pub fn begin_for_ever(stage: &Stage) -> Failing {
    begin(stage, "sven", Fault::Die, 154)
}

/// Waits for the last attempt: the policy takes some minutes.
pub fn exhausted(stage: &Stage, failing: &Failing) {
    let Failing {
        client, video_id, ..
    } = failing;
    await_count(client, video_id, "RetriesExhausted", 1);
    let failures = await_count(client, video_id, "ChunkFailed", 5);
    let retries = await_count(client, video_id, "RetryScheduled", 4);
    let attempts: Vec<_> = failures.iter().map(|event| event.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    for ((retry, failures), expected) in retries.iter().zip(failures.windows(2)).zip(DELAYS_MS) {
        assert_eq!(retry.data["chunk"], "v00000");
        assert_eq!(retry.data["next_attempt"], failures[1].attempt);
        let delay_ms = retry.data["delay_ms"].as_u64().unwrap();
        let range = expected * 3 / 4..=expected * 5 / 4;
        assert!(range.contains(&delay_ms), "{delay_ms} is not in {range:?}");
        // It did wait.
        let waited = failures[1]
            .occurred_at
            .duration_since(failures[0].occurred_at);
        let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap());
        assert!(waited >= delay, "{waited:?} of {delay:?}");
    }
    // The rest stands.
    let done = chunk_count(client, video_id) - 1;
    await_events(
        client,
        video_id,
        &[
            ("ChunkTranscoded", done),
            ("ChunkFailed", 5),
            ("RetriesExhausted", 1),
            ("HumanRequested", 1),
        ],
    );
    let video = client.video(video_id).unwrap().unwrap();
    assert!(video.needs_attention.is_some(), "{video:?}");
    assert_eq!(await_notice(stage, video_id).links.len(), 4);
}

/// The link of an answer: looking at it does nothing, and it can be used once.
fn answer(stage: &Stage, failing: &Failing, word: &str) -> Notice {
    let Failing {
        client, video_id, ..
    } = failing;
    let notice = await_notice(stage, video_id);
    let link = &notice.links[word];
    for _ in 0..2 {
        let (status, page) = open(link);
        assert!(status == 200 && page.contains("<form"), "{status}: {page}");
    }
    let forged = link.replace("signature=", "signature=0");
    assert_ne!(press(&forged), 200);
    let video = client.video(video_id).unwrap().unwrap();
    assert!(video.needs_attention.is_some(), "{video:?}");
    assert_eq!(press(link), 200);
    await_count(client, video_id, "HumanAnswered", 1);
    notice
}

/// After an answer the others are not taken any more.
fn is_used_up(stage: &Stage, failing: &Failing, notice: &Notice, given: &str) {
    for (word, link) in notice.links.iter().filter(|(word, _)| *word != given) {
        assert_ne!(press(link), 200, "{word}");
    }
    let video_id = &failing.video_id;
    await_events(&failing.client, video_id, &[("HumanAnswered", 1)]);
    assert_eq!(notices(stage, video_id).len(), 1);
}

pub fn retried(stage: &Stage, failing: &Failing) {
    let Failing {
        client,
        video_id,
        planted,
        ..
    } = failing;
    stage.ffmpeg.mend(planted);
    let notice = answer(stage, failing, "retry");
    let video = await_ready(client, video_id);
    check(&video, &stage.clips.small, &["320x180", "272x154"]);
    let total = chunk_count(client, video_id);
    await_events(
        client,
        video_id,
        &[("ChunkTranscoded", total), ("VideoReady", 1)],
    );
    // The first one after a person's word.
    let done = await_count(client, video_id, "ChunkTranscoded", total);
    assert_eq!(done.last().unwrap().attempt, 6);
    is_used_up(stage, failing, &notice, "retry");
}

/// The size that fails is left out: a new making without it takes the rest over.
pub fn skipped(stage: &Stage) {
    let failing = begin(stage, "tess", Fault::Truncate, 158);
    let Failing {
        client, video_id, ..
    } = &failing;
    // Ffmpeg said that all was well: again would not help.
    let exhausted = await_count(client, video_id, "RetriesExhausted", 1);
    assert_eq!(exhausted[0].attempt, 1);
    let notice = answer(stage, &failing, "skip-158p");
    let words: Vec<_> = notice.links.keys().map(String::as_str).collect();
    assert_eq!(words, ["give-up", "retry", "skip-158p"]);
    // It is still broken.
    let video = awaited("it is ready without 158p", PATIENCE, || {
        let video = client.video(video_id).unwrap().unwrap();
        (video.state == VideoState::Ready)
            .then(|| video.clone())
            .ok_or(format!("{video:?}"))
    });
    assert_eq!(video.generation, 2);
    check(&video, &stage.clips.small, &["320x180"]);
    is_used_up(stage, &failing, &notice, "skip-158p");
    stage.ffmpeg.mend(&failing.planted);
}

pub fn given_up(stage: &Stage) {
    let failing = begin(stage, "ursa", Fault::Truncate, 160);
    let Failing {
        client, video_id, ..
    } = &failing;
    let notice = answer(stage, &failing, "give-up");
    awaited("it is given up", PATIENCE, || {
        let now = client.video(video_id).unwrap().map(|video| video.state);
        (now == Some(VideoState::Abandoned))
            .then_some(())
            .ok_or(format!("{now:?}"))
    });
    stage.await_gone(failing.owner, video_id);
    is_used_up(stage, &failing, &notice, "give-up");
    stage.ffmpeg.mend(&failing.planted);
    assert_eq!(
        await_state(client, video_id, VideoState::Abandoned).playback,
        None
    );
}
