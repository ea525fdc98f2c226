//! The ffmpeg with planted faults does what the end-to-end tests believe of it, in the very
//! sandbox in which the functions run it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cattube_sandbox::{Exit, Limits, Sandbox};
use cattube_tests::faulty::{Fault, Packed, Planted};
use cattube_tests::masters::make;

const PROGRAM: &str = env!("CARGO_BIN_EXE_faulty-ffmpeg");

/// The real ffmpeg, by the `PATH`.
pub fn real_ffmpeg() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join("ffmpeg"));
    files.find(|file| file.is_file()).unwrap()
}

/// The program that a faulty one begins with.
pub fn program() -> &'static Path {
    Path::new(PROGRAM)
}

async fn encode(ffmpeg: &Path, dir: &Path, size: &str) -> Exit {
    let args = format!(
        "-nostdin -loglevel error -y -i slice.mp4 -vf scale={size} -c:v libx264 -f mp4 r0.mp4"
    );
    let sandbox = Sandbox {
        program: ffmpeg.to_owned(),
        args: args.split(' ').map(Into::into).collect(),
        work_dir: dir.to_owned(),
        read_only: Vec::new(),
        limits: Limits {
            address_space_bytes: 12 << 30,
            cpu_seconds: 120,
            file_size_bytes: 1 << 30,
            wall_clock: Duration::from_secs(if size == "66:66" { 1 } else { 60 }),
            output_tail_bytes: 65_536,
        },
    };
    cattube_sandbox::run(&sandbox).await.unwrap()
}

#[tokio::test]
async fn each_fault_shows_where_it_is_planted_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let _ = make(
        &work,
        &["-f lavfi -i testsrc2=s=320x180:r=30 -t 4 -c:v libx264 -preset ultrafast slice.mp4"],
    );
    let ffmpeg = dir.path().join("ffmpeg");
    let planted = |fault, size: &str| Planted {
        fault,
        file: "r0.mp4".to_owned(),
        wanted: vec![format!("scale={size}"), "slice".to_owned()],
    };
    let faults = [
        planted(Fault::Hang, "66:66"),
        planted(Fault::Die, "68:68"),
        planted(Fault::Truncate, "70:70"),
        planted(Fault::DiskFull, "72:72"),
    ];
    Packed::write(&ffmpeg, program(), &real_ffmpeg(), &faults).unwrap();
    let made = || std::fs::metadata(work.join("r0.mp4")).map_or(0, |file| file.len());

    let well = encode(&ffmpeg, &work, "64:64").await;
    assert_eq!((well.code, well.stderr_tail.as_str()), (Some(0), ""));
    let whole = made();
    assert!(whole > 1_000);

    let hung = encode(&ffmpeg, &work, "66:66").await;
    assert!(hung.timed_out, "{hung:?}");

    let died = encode(&ffmpeg, &work, "68:68").await;
    assert_eq!((died.code, died.timed_out), (None, false), "{died:?}");
    assert!(died.signal.is_some());

    let half = encode(&ffmpeg, &work, "70:70").await;
    assert_eq!(half.code, Some(0), "{half:?}");
    assert!(made() < whole * 3 / 4, "{} of {whole}", made());

    let full = encode(&ffmpeg, &work, "72:72").await;
    assert!(full.code.is_some_and(|code| code != 0), "{full:?}");
    assert!(
        full.stderr_tail.contains("No space left on device"),
        "{full:?}"
    );
}
