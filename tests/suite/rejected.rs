//! What is no video ends as `VideoRejected` with a reason for people, without the encoder
//! ever running on it where its kind can be told from its bytes, and with nothing left over.

use std::sync::Arc;

use cattube_contract::Event;
use cattube_contract::event::{RejectionCode, VideoRejected};
use cattube_contract::plan::Quality;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::fakes::{FaultPlan, MemoryEncoder, RunFiles};
use cattube_tests::masters::make;
use cattube_tests::world::{DROP_OWNER, World};

/// An encoder that makes nothing, and remembers that it was run.
fn unwanted_encoder() -> Arc<MemoryEncoder> {
    Arc::new(MemoryEncoder::new(FaultPlan::none(), |_, _| {
        let exit = EncoderExit {
            success: false,
            stdout: Vec::new(),
            stderr: "nobody wanted this run".to_owned(),
        };
        (exit, RunFiles::new())
    }))
}

async fn reject(key: &str, bytes: Vec<u8>) -> VideoRejected {
    let encoder = unwanted_encoder();
    let mut world = World::new(encoder.clone(), Quality::Crf(23), &FaultPlan::none());
    world.masters.put_master(key, bytes, &[]);
    world.pump().await;
    assert_eq!(encoder.runs(), Vec::<Vec<String>>::new());
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    let rejections: Vec<_> = world
        .history
        .iter()
        .filter_map(|envelope| {
            if let Event::VideoRejected(rejected) = &envelope.event {
                Some((envelope.metadata.video_id, rejected.clone()))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(rejections.len(), 1, "{:?}", world.names());
    let (video, rejected) = rejections[0].clone();
    let answer = world
        .ask(DROP_OWNER, "GET /v1/videos/{id}", Some(video))
        .await
        .unwrap();
    assert_eq!(answer.body["state"], "rejected");
    assert_eq!(answer.body["rejection"]["reason"], rejected.reason.as_str());
    assert!(world.media.keys().is_empty());
    rejected
}

fn small_mp4() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let step = "-f lavfi -i testsrc2=s=320x180:r=25 -t 2 -c:v libx264 -preset ultrafast m.mp4";
    std::fs::read(make(dir.path(), &[step])).unwrap()
}

/// Finds the last place of some bytes in a file.
fn position(bytes: &[u8], letters: &[u8]) -> usize {
    bytes
        .windows(letters.len())
        .rposition(|window| window == letters)
        .unwrap()
}

#[tokio::test]
async fn a_text_file() {
    let rejected = reject("drop/film.mp4", b"Dear cat,\nthis is no film.\n".repeat(40)).await;
    assert_eq!(rejected.code, RejectionCode::NotAVideo);
}

#[tokio::test]
async fn an_empty_file() {
    assert_eq!(
        reject("drop/film.mp4", Vec::new()).await.code,
        RejectionCode::Empty
    );
}

#[tokio::test]
async fn an_mp4_that_lost_its_end() {
    let mut bytes = small_mp4();
    bytes.truncate(bytes.len() / 2);
    assert_eq!(
        reject("drop/film.mp4", bytes).await.code,
        RejectionCode::Truncated
    );
}

#[tokio::test]
async fn an_mp4_whose_index_promises_what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let step = "-f lavfi -i testsrc2=s=320x180:r=25 -t 2 -c:v libx264 -preset ultrafast -movflags +faststart m.mp4";
    let mut bytes = std::fs::read(make(dir.path(), &[step])).unwrap();
    bytes.truncate(bytes.len() * 3 / 4);
    assert_eq!(
        reject("drop/film.mp4", bytes).await.code,
        RejectionCode::Truncated
    );
}

#[tokio::test]
async fn a_playlist_with_another_name() {
    let playlist = b"#EXTM3U\n#EXTINF:4,\nhttp://169.254.169.254/latest/meta-data/\n".to_vec();
    assert_eq!(
        reject("drop/film.mp4", playlist).await.code,
        RejectionCode::Playlist
    );
}

#[tokio::test]
async fn a_script_that_names_other_files() {
    let script = b"ffconcat version 1.0\nfile /etc/passwd\n".to_vec();
    assert_eq!(
        reject("drop/film.mp4", script).await.code,
        RejectionCode::Playlist
    );
}

#[tokio::test]
async fn a_picture_of_65_535_by_65_535() {
    let mut bytes = small_mp4();
    // The sample entry's width and height: 28 bytes behind its name's four letters.
    let at = position(&bytes, b"avc1") + 28;
    // 16 bits hold 65,535 at most, so the header can say no more than that.
    bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(
        reject("drop/film.mp4", bytes).await.code,
        RejectionCode::TooLarge
    );
}

#[tokio::test]
async fn a_webm_picture_of_65_535_pixels_width() {
    let dir = tempfile::tempdir().unwrap();
    let step = "-f lavfi -i testsrc2=s=320x180:r=25 -t 1 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 m.webm";
    let mut bytes = std::fs::read(make(dir.path(), &[step])).unwrap();
    // PixelWidth (0xB0) of two bytes.
    let width = position(&bytes, &[0xb0, 0x82, 0x01, 0x40]);
    bytes[width..width + 4].copy_from_slice(&[0xb0, 0x82, 0xff, 0xff]);
    assert_eq!(
        reject("drop/film.webm", bytes).await.code,
        RejectionCode::TooLarge
    );
}

#[tokio::test]
async fn a_key_that_climbs() {
    assert_eq!(
        reject("drop/../film.mp4", small_mp4()).await.code,
        RejectionCode::BadKey
    );
}

#[tokio::test]
async fn sound_without_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(make(dir.path(), &["-f lavfi -i sine -t 1 -c:a aac m.mp4"])).unwrap();
    assert_eq!(
        reject("drop/film.mp4", bytes).await.code,
        RejectionCode::NoVideoTrack
    );
}

#[tokio::test]
async fn any_mutation_of_a_master_ends_somewhere() {
    let whole = small_mp4();
    let index = position(&whole, b"moov");
    for step in 0..200_usize {
        let mut bytes = whole.clone();
        let at = index + step * 7 % (bytes.len() - index);
        bytes[at] ^= 0xff;
        let mut world = World::new(unwanted_encoder(), Quality::Crf(23), &FaultPlan::none());
        world.masters.put_master("drop/film.mp4", bytes, &[]);
        world.pump().await;
        assert!(world.failures.is_empty(), "byte {at}: {:?}", world.failures);
        let ends = ["VideoRejected", "PlanFailed", "ChunkFailed"];
        let ended = world.names().iter().any(|name| ends.contains(name));
        assert!(ended, "byte {at}: {:?}", world.names());
    }
}
