//! The upload API with its client: in parts, resumed, repeated, cancelled.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use cattube::Error;
use cattube::api::{NewUpload, Sizes, Video, VideoState};
use cattube::progress::Progress;
use cattube::upload::{self, Job, Start};
use cattube_contract::OwnerId;
use cattube_tests::engine::awaited;

use super::play::{check, fetch};
use super::stage::{PATIENCE, Stage, await_events, await_ready, await_state, chunk_count, send};

/// Counts the bytes that leave, and those that were there before.
#[derive(Default)]
struct Bytes {
    before: AtomicU64,
    sent: AtomicU64,
}

impl Progress for Bytes {
    fn note(&self, _: &str) {}
    fn begin(&self, _: u64, done_bytes: u64) {
        self.before.store(done_bytes, Ordering::Relaxed);
    }
    fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
    fn unsent(&self, bytes: u64) {
        self.sent.fetch_sub(bytes, Ordering::Relaxed);
    }
    fn uploaded(&self) {}
    fn seen(&self, _: &Video) {}
}

fn wish(stage: &Stage, title: &str) -> NewUpload {
    NewUpload {
        title: title.to_owned(),
        size_bytes: fs::metadata(&stage.clips.large).unwrap().len(),
        content_type: "video/mp4".to_owned(),
        sizes: Sizes::Listed(vec![180]),
    }
}

pub fn in_parts(stage: &Stage) {
    let client = stage.client("ada");
    let id = send(&client, &stage.clips.large, &[360, 180]);
    assert_eq!(client.upload(&id).unwrap().part_count, 3);
    let video = await_ready(&client, &id);
    check(&video, &stage.clips.large, &["640x360", "320x180"]);
    stills(&video);
    let total = chunk_count(&client, &id);
    assert!(total >= 3, "{total} chunks");
    // What finished chunks say may come to the catalogue behind the news that all is ready.
    let video = awaited("every chunk is in the catalogue", PATIENCE, || {
        let video = client.video(&id).unwrap().unwrap();
        let shown = video.waterfall.len();
        (shown == total)
            .then_some(video)
            .ok_or(format!("{shown} of {total}"))
    });
    let progress = video.progress.unwrap();
    let total_chunks = u64::try_from(total).unwrap();
    assert_eq!(progress.chunks_done, Some(total_chunks));
    assert_eq!(progress.chunks_total, Some(total_chunks));
    assert!(
        video
            .waterfall
            .iter()
            .all(|work| work.started_at <= work.finished_at)
    );
    let once = [
        "UploadRequested",
        "VideoUploaded",
        "VideoPlanned",
        "VideoReady",
    ];
    await_events(&client, &id, &once.map(|name| (name, 1)));
    await_events(&client, &id, &[("ChunkTranscoded", total)]);
    let listed = client.videos(10).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].video_id, id);
    assert_eq!(listed[0].title, "large");
    assert_eq!(listed[0].state, VideoState::Ready);
    assert_eq!(listed[0].playback, video.playback);
}

/// The poster and the storyboard are served, and the one names the other.
fn stills(video: &Video) {
    let playback = video.playback.as_ref().unwrap();
    let (kind, poster) = fetch(playback.poster.as_ref().unwrap());
    assert_eq!(
        (kind.as_str(), &poster[..3]),
        ("image/jpeg", &[0xff, 0xd8, 0xff][..])
    );
    let vtt_url = playback.storyboard.as_ref().unwrap();
    let (kind, vtt) = fetch(vtt_url);
    assert_eq!(kind, "text/vtt");
    let vtt = String::from_utf8(vtt).unwrap();
    assert!(vtt.starts_with("WEBVTT"), "{vtt}");
    let pictures: Vec<_> = vtt
        .lines()
        .filter_map(|line| line.split_once("#xywh="))
        .collect();
    // One every two seconds.
    assert!(pictures.len() >= 4, "{vtt}");
    for (picture, _) in pictures {
        let folder = vtt_url.rsplit_once('/').unwrap().0;
        let (kind, bytes) = fetch(&format!("{folder}/{picture}"));
        assert_eq!(
            (kind.as_str(), &bytes[..3]),
            ("image/jpeg", &[0xff, 0xd8, 0xff][..])
        );
    }
}

pub fn resumed(stage: &Stage) {
    let client = stage.client("bea");
    let master = fs::read(&stage.clips.large).unwrap();
    let upload = client
        .create_upload(&wish(stage, "in two goes"), "first go")
        .unwrap();
    let id = upload.video_id;
    let part_bytes = usize::try_from(upload.part_size_bytes).unwrap();
    let urls = client.part_urls(&id, 2, 1).unwrap();
    ureq::put(&urls[0].url)
        .send(&master[part_bytes..2 * part_bytes])
        .unwrap();
    let arrived = client.arrived_parts(&id).unwrap();
    assert_eq!(
        arrived.iter().map(|part| part.number).collect::<Vec<_>>(),
        [2]
    );
    // Too early: what is missing is named.
    match client.complete_upload(&id) {
        Err(Error::Problem {
            status: 409,
            missing,
            ..
        }) => assert_eq!(missing, [1, 3]),
        other => panic!("{other:?}"),
    }
    let bytes = Bytes::default();
    let job = Job {
        path: &stage.clips.large,
        title: None,
        sizes: Sizes::Auto,
        start: Start::Resume(id.clone()),
        parallel: 2,
    };
    assert_eq!(upload::send(&client, &job, &bytes).unwrap(), id);
    let (before, sent) = (bytes.before.into_inner(), bytes.sent.into_inner());
    assert_eq!(before, upload.part_size_bytes);
    assert_eq!(before + sent, upload.size_bytes);
    let video = await_ready(&client, &id);
    check(&video, &stage.clips.large, &["320x180"]);
    // Once more: it is complete, and nothing leaves.
    let again = Bytes::default();
    assert_eq!(upload::send(&client, &job, &again).unwrap(), id);
    assert_eq!(again.sent.into_inner(), 0);
}

pub fn same_key(stage: &Stage) {
    let client = stage.client("cleo");
    let first = client.create_upload(&wish(stage, "once"), "a key").unwrap();
    let again = client.create_upload(&wish(stage, "once"), "a key").unwrap();
    assert_eq!(first, again);
    match client.create_upload(&wish(stage, "twice"), "a key") {
        Err(Error::Problem { status, .. }) => assert_eq!(status, 422),
        other => panic!("{other:?}"),
    }
    // Another owner's key is another key.
    let other = stage
        .client("dora")
        .create_upload(&wish(stage, "twice"), "a key")
        .unwrap();
    assert_ne!(other.video_id, first.video_id);
    assert_eq!(
        await_state(&client, &first.video_id, VideoState::Uploading).title,
        "once"
    );
    assert_eq!(client.videos(10).unwrap().len(), 1);
    // Nobody will go on with them.
    client.cancel_upload(&first.video_id).unwrap();
    stage.client("dora").cancel_upload(&other.video_id).unwrap();
}

pub fn cancelled(stage: &Stage) {
    let client = stage.client("emma");
    let upload = client
        .create_upload(&wish(stage, "never mind"), "a key")
        .unwrap();
    let id = upload.video_id;
    let urls = client.part_urls(&id, 1, 1).unwrap();
    let part = vec![0; usize::try_from(upload.part_size_bytes).unwrap()];
    ureq::put(&urls[0].url).send(&part[..]).unwrap();
    let key = format!("masters/{}/{id}", OwnerId::of_subject("emma"));
    assert!(stage.engine.open_uploads().contains(&key));
    let token = stage.engine.token("emma", &[]);
    let cancel = || {
        stage
            .request("DELETE", &format!("/v1/uploads/{id}"), Some(&token))
            .status
    };
    assert_eq!(cancel(), 204);
    assert!(!stage.engine.open_uploads().contains(&key));
    assert_eq!(stage.objects_of("emma", &id), [""; 0]);
    assert!(
        ureq::put(&urls[0].url).send(&part[..]).is_err(),
        "a part was taken"
    );
    // Again, it is cancelled still; nothing more can be done with it.
    assert_eq!(cancel(), 204);
    match client.complete_upload(&id) {
        Err(Error::Problem { status, .. }) => assert_eq!(status, 409),
        other => panic!("{other:?}"),
    }
    awaited("the video is given up", PATIENCE, || {
        let now = client.video(&id).unwrap().map(|video| video.state);
        (now == Some(VideoState::Abandoned))
            .then_some(())
            .ok_or(format!("{now:?}"))
    });
}

pub fn portrait(stage: &Stage) {
    let client = stage.client("fay");
    let id = send(&client, &stage.clips.portrait, &[360, 180]);
    let video = await_ready(&client, &id);
    let sizes: Vec<_> = video
        .renditions
        .iter()
        .map(|size| (size.width_px, size.height_px))
        .collect();
    assert_eq!(sizes, [(360, 640), (180, 320)]);
    check(&video, &stage.clips.portrait, &["360x640", "180x320"]);
}
