//! What every scenario stands on: the engine, clips, clients, and patience.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use cattube::api::{Sizes, Video, VideoState};
use cattube::progress::Silent;
use cattube::upload::{self, Job, Start};
use cattube::{Client, Retry};
use cattube_contract::key::{media_prefix, work_prefix};
use cattube_contract::{OwnerId, VideoId};
use cattube_tests::engine::{Engine, Listener, Setup, awaited};
use cattube_tests::faulty::FaultyFfmpeg;
use cattube_tests::masters::make;
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use crate::faulty;

/// How long a video may take: longer than a chunk is kept from others after a crash (90 s).
pub const PATIENCE: Duration = Duration::from_mins(4);

/// Clips, each made once.
pub struct Clips {
    /// Two chunks and a bit of 320x180 with sound.
    pub small: PathBuf,
    /// The same length, but some 20 MB: three parts.
    pub large: PathBuf,
    /// Three chunks that take seconds each.
    pub slow: PathBuf,
    /// 640x360, turned by a quarter.
    pub portrait: PathBuf,
}

pub struct Stage {
    pub engine: Engine,
    /// What the functions run.
    pub ffmpeg: FaultyFfmpeg,
    /// Hears every event.
    pub bus: Listener,
    /// Is told what a person is told.
    pub people: Listener,
    pub clips: Clips,
    /// For scenarios' own files.
    pub dir: TempDir,
}

const SOUND: &str = "-f lavfi -i sine=sample_rate=48000";
const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60";

impl Clips {
    fn make(dir: &Path) -> Self {
        let source = |size, rate| format!("-f lavfi -i testsrc2=s={size}:r={rate} {SOUND}");
        let film = |steps: &[String]| {
            let steps: Vec<_> = steps.iter().map(String::as_str).collect();
            make(dir, &steps)
        };
        let small = source("320x180", 30);
        let large = source("640x360", 30);
        let slow = source("1280x720", 60);
        // No two frames are alike, or the file would not be large.
        let noise = "-vf noise=alls=25:allf=t -qp 30";
        Self {
            small: film(&[format!("{small} -t 9 {X264} -c:a aac small.mp4")]),
            large: film(&[format!("{large} -t 9 {noise} {X264} -c:a aac large.mp4")]),
            slow: film(&[format!("{slow} -t 12 {X264} -c:a aac slow.mp4")]),
            portrait: film(&[
                format!("{large} -t 6 {X264} -c:a aac flat.mov"),
                "-display_rotation 90 -i flat.mov -c copy portrait.mov".to_owned(),
            ]),
        }
    }
}

/// A status and a body, whatever they are.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Stage {
    pub fn set(name: &str, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (engine, clips) = thread::scope(|scope| {
            let clips = scope.spawn(|| Clips::make(dir.path()));
            let setup = Setup {
                keeps: true,
                without: &[],
            };
            (Engine::start(name, port, setup), clips.join().unwrap())
        });
        let bin = engine.folder().join("bin");
        Self {
            ffmpeg: FaultyFfmpeg::new(faulty::program(), &faulty::real_ffmpeg(), &bin),
            bus: engine.listen("heard-events"),
            people: engine.subscribe("heard-notices", "PeopleTopicArn"),
            engine,
            clips,
            dir,
        }
    }

    /// A client of a user.
    pub fn client(&self, subject: &str) -> Client {
        let token = self.engine.token(subject, &[]);
        let retry = Retry {
            first_pause: Duration::from_millis(50),
            ..Retry::default()
        };
        Client::new(self.engine.fact("/api_url"), &token, retry)
    }

    /// A client of the user who owns what is dropped into the bucket.
    pub fn drop_client(&self) -> Client {
        self.client(self.engine.fact("/subject"))
    }

    /// A request as any HTTP client sends it.
    pub fn request(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
        let url = format!("{}{path}", self.engine.fact("/api_url"));
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = agent.run(request.body(()).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        Answer {
            status: answer.status().as_u16(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    }

    /// The objects of a video: of the media bucket, of its work, of its upload.
    pub fn objects_of(&self, subject: &str, video_id: &str) -> Vec<String> {
        let owner = OwnerId::of_subject(subject);
        let video: VideoId = video_id.parse().unwrap();
        let mut keys = Vec::new();
        for (bucket, prefix) in [
            ("MediaBucket", media_prefix(owner, video)),
            ("MastersBucket", work_prefix(owner, video)),
            ("MastersBucket", format!("masters/{owner}/{video}")),
        ] {
            keys.extend(self.engine.objects(bucket, &prefix).into_keys());
        }
        keys
    }

    /// Waits until no object of a video is left.
    pub fn await_gone(&self, subject: &str, video_id: &str) {
        awaited(format!("{video_id} leaves nothing"), PATIENCE, || {
            let objects = self.objects_of(subject, video_id);
            objects
                .is_empty()
                .then_some(())
                .ok_or(format!("{objects:?}"))
        });
    }

    /// How many chunks of the first making are reported.
    pub fn report_count(&self, subject: &str, video_id: &str) -> usize {
        let video: VideoId = video_id.parse().unwrap();
        let work = work_prefix(OwnerId::of_subject(subject), video);
        let prefix = format!("{work}g1/reports/");
        self.engine.objects("MastersBucket", &prefix).len()
    }

    /// Puts the small clip into the bucket under `drop/`, as any S3 client does.
    pub fn drop_small(&self, name: &str) {
        let bucket = self.engine.output("MastersBucket");
        let file = self.clips.small.to_str().unwrap();
        let to = format!("s3://{bucket}/drop/{name}");
        self.engine.aws(&["s3", "cp", "--quiet", file, &to]);
    }
}

/// Sends a file as the client does.
pub fn send(client: &Client, path: &Path, sizes: &[u32]) -> String {
    let job = Job {
        path,
        title: None,
        sizes: Sizes::Listed(sizes.to_vec()),
        start: Start::Again,
        parallel: 4,
    };
    upload::send(client, &job, &Silent).unwrap()
}

/// Waits for a state; not any longer when nothing more happens by itself.
pub fn await_state(client: &Client, video_id: &str, wanted: VideoState) -> Video {
    let look = || {
        let Some(video) = client.video(video_id).unwrap() else {
            return Err("it is unknown".to_owned());
        };
        if video.state == wanted {
            return Ok(video);
        }
        assert!(
            !video.state.is_end() && video.needs_attention.is_none(),
            "{wanted} was expected: {video:?}"
        );
        Err(video.state.to_string())
    };
    awaited(format!("{video_id} is {wanted}"), PATIENCE, look)
}

pub fn await_ready(client: &Client, video_id: &str) -> Video {
    await_state(client, video_id, VideoState::Ready)
}

/// Waits for a video of a title.
pub fn await_title(client: &Client, title: &str) -> String {
    awaited(format!("a video is called {title}"), PATIENCE, || {
        let videos = client.videos(1000).unwrap();
        let found = videos.iter().find(|video| video.title == title);
        let found = found.map(|video| video.video_id.clone());
        found.ok_or_else(|| format!("{} others", videos.len()))
    })
}

/// Waits until each event is in a video's timeline so many times. The catalogue may hear of
/// them in any order.
pub fn await_events(client: &Client, video_id: &str, expected: &[(&str, usize)]) {
    awaited(format!("the timeline of {video_id}"), PATIENCE, || {
        let timeline = client.timeline(video_id).unwrap();
        let count = |name: &str| timeline.iter().filter(|event| event.name == name).count();
        let counts: Vec<_> = expected
            .iter()
            .map(|(name, _)| (*name, count(name)))
            .collect();
        (counts == expected)
            .then_some(())
            .ok_or(format!("{counts:?}"))
    });
}

/// Chunks in all, as planned.
pub fn chunk_count(client: &Client, video_id: &str) -> usize {
    let look = || {
        let timeline = client.timeline(video_id).unwrap();
        let planned = timeline.iter().find(|event| event.name == "VideoPlanned");
        let planned = planned.ok_or_else(|| "it has no plan".to_owned())?;
        let count = |name: &str| planned.data[name].as_u64().unwrap();
        let chunks = count("video_chunk_count") + count("audio_chunk_count");
        Ok(usize::try_from(chunks).unwrap())
    };
    awaited(format!("{video_id} is planned"), PATIENCE, look)
}
