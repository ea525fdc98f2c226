//! An ffmpeg that goes wrong: nothing wrong is published meanwhile, and when it is mended the
//! video becomes ready.

use cattube::Client;
use cattube::api::VideoState;
use cattube_tests::engine::awaited;
use cattube_tests::faulty::{Fault, Planted};

use super::people::{await_count, await_notice, press};
use super::play::check;
use super::processes;
use super::stage::{PATIENCE, Stage, await_events, await_ready, chunk_count, send};

/// A way to go wrong.
struct Case {
    owner: &'static str,
    fault: Fault,
    /// A size that no other case has: by it the fault finds its video.
    size: u32,
    /// What the failure's reason says.
    says: &'static str,
}

const CASES: &[Case] = &[
    Case {
        owner: "otto",
        fault: Fault::Hang,
        size: 146,
        says: "ended after",
    },
    Case {
        owner: "pia",
        fault: Fault::Die,
        size: 148,
        says: "ended by signal",
    },
    Case {
        owner: "quinn",
        fault: Fault::Truncate,
        size: 150,
        says: "150p",
    },
    Case {
        owner: "rosa",
        fault: Fault::DiskFull,
        size: 152,
        says: "No space left",
    },
];

/// How an argument names a size of the small clip.
pub fn scale_to(size: u32) -> String {
    format!("scale={}:{size}:", (320 * size / 180) & !1)
}

/// A fault that shows in the first chunk of a video that has this size and `file`.
pub fn in_first_chunk(fault: Fault, size: u32, file: &str) -> Planted {
    Planted {
        fault,
        file: file.to_owned(),
        // Only the first chunk makes the poster.
        wanted: vec![scale_to(size), "poster.jpg".to_owned()],
    }
}

/// A video whose first chunk cannot be made for now.
pub struct Broken {
    case: &'static Case,
    client: Client,
    video_id: String,
    planted: Planted,
}

pub fn begin(stage: &Stage) -> Vec<Broken> {
    let broken = CASES.iter().map(|case| {
        let planted = in_first_chunk(case.fault, case.size, "r1.mp4");
        stage.ffmpeg.plant(&planted);
        let client = stage.client(case.owner);
        let video_id = send(&client, &stage.clips.small, &[180, case.size]);
        Broken {
            case,
            client,
            video_id,
            planted,
        }
    });
    broken.collect()
}

pub fn end(stage: &Stage, broken: &[Broken]) {
    for broken in broken {
        let Broken {
            case,
            client,
            video_id,
            planted,
        } = broken;
        let failures = await_count(client, video_id, "ChunkFailed", 1);
        for failure in &failures {
            assert_eq!(failure.data["chunk"], "v00000", "{failure:?}");
            let reason = failure.data["reason"].as_str().unwrap();
            assert!(reason.contains(case.says), "{:?}: {reason}", case.fault);
        }
        // What was made of it is published nowhere.
        let video = client.video(video_id).unwrap().unwrap();
        assert_ne!(video.state, VideoState::Ready);
        let published = stage.objects_of(case.owner, video_id);
        let is_published = |key: &&String| {
            let kind = key.rsplit('.').next();
            matches!(kind, Some("m3u8" | "mpd")) || key.contains("reports/v00000")
        };
        assert_eq!(published.iter().find(is_published), None);
        stage.ffmpeg.mend(planted);
        if failures[0].data["fault"] == "permanent" {
            let notice = await_notice(stage, video_id);
            assert_eq!(press(&notice.links["retry"]), 200);
        }
    }
    for Broken {
        case,
        client,
        video_id,
        ..
    } in broken
    {
        let video = await_ready(client, video_id);
        let width = (320 * case.size / 180) & !1;
        let size = format!("{width}x{}", case.size);
        check(&video, &stage.clips.small, &["320x180", &size]);
        let total = chunk_count(client, video_id);
        await_events(
            client,
            video_id,
            &[("ChunkTranscoded", total), ("VideoReady", 1)],
        );
        let mark = scale_to(case.size);
        awaited(format!("no process of {mark}"), PATIENCE, || {
            let left = processes::with_argument(&mark);
            left.is_empty().then_some(()).ok_or(format!("{left:?}"))
        });
    }
}
