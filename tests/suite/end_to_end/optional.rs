//! Without `retry` and `notify` everything else works: nobody who says something knows who
//! hears it.

use std::fs;

use cattube::api::{Sizes, VideoState};
use cattube::progress::Silent;
use cattube::upload::{self, Job, Start};
use cattube::{Client, Retry};
use cattube_tests::engine::{Engine, Setup, awaited};

use super::play::check;
use super::stage::{Clips, PATIENCE};
use crate::template::OPTIONAL;

const OWNER: &str = "ada";

/// A video on an engine of its own, from the upload to the last frame, and its deletion.
pub fn without(name: &str, port: u16, clips: &Clips) {
    let setup = Setup {
        keeps: false,
        without: OPTIONAL,
    };
    let engine = Engine::start(name, port, setup);
    let list = ["lambda", "list-functions", "--output", "text"];
    let functions = engine.aws(&[&list[..], &["--query", "Functions[].FunctionName"]].concat());
    assert!(functions.contains("-manage"), "{functions}");
    for part in OPTIONAL {
        assert!(!functions.contains(&format!("-{part}")), "{functions}");
    }
    let token = engine.token(OWNER, &[]);
    let client = Client::new(engine.fact("/api_url"), &token, Retry::default());
    let upload = |path, size| {
        let job = Job {
            path,
            title: None,
            sizes: Sizes::Listed(vec![size]),
            start: Start::Again,
            parallel: 2,
        };
        upload::send(&client, &job, &Silent).unwrap()
    };
    let video_id = upload(&clips.small, 180);
    let letter = clips.small.with_file_name("letter.mp4");
    fs::write(&letter, "Dear cat,\nthis is no film.\n".repeat(40)).unwrap();
    let bad_id = upload(&letter, 180);
    let state = |id: &str| client.video(id).unwrap().map(|video| video.state);
    for (id, wanted) in [
        (&video_id, VideoState::Ready),
        (&bad_id, VideoState::Rejected),
    ] {
        awaited(format!("{id} is {wanted}"), PATIENCE, || {
            let state = state(id);
            (state == Some(wanted))
                .then_some(())
                .ok_or(format!("{state:?}"))
        });
    }
    // The engine's own edge serves it.
    let video = client.video(&video_id).unwrap().unwrap();
    check(&video, &clips.small, &["320x180"]);
    client.delete_video(&video_id).unwrap();
    awaited("nothing is left of it", PATIENCE, || {
        let left: Vec<_> = ["MastersBucket", "MediaBucket"]
            .into_iter()
            .flat_map(|bucket| engine.objects(bucket, "").into_keys())
            .filter(|key| key.contains(&video_id))
            .collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
    // Nobody is there to hear of a job's deadline; nothing else waits.
    let waiting = engine.backlog("QueueUrl");
    let waiting: Vec<_> = waiting
        .into_iter()
        .filter(|(queue, _)| *queue != "DeadlinesQueueUrl")
        .collect();
    assert_eq!(waiting, []);
}
