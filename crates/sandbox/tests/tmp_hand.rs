//! by hand
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::print_stdout)]
use cattube_sandbox::*;
use std::{path::PathBuf, time::Duration};
fn args(s: &str) -> Vec<std::ffi::OsString> { s.split(' ').map(Into::into).collect() }
#[tokio::test]
async fn ffmpeg() {
    let work = tempfile::tempdir().unwrap();
    for gib_x4 in [2u64, 3, 4, 8, 16] {
      for threads in [2, 6, 16] {
        let mut s = Sandbox { program: PathBuf::from(std::env::var("FF").unwrap()),
          args: args(&format!("-nostdin -y -hide_banner -loglevel error -f lavfi -i testsrc2=s=1920x1080:r=30:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset veryfast -threads {threads} -c:a aac -movflags +faststart out.mp4")),
          work_dir: work.path().into(), read_only: vec![],
          limits: Limits { address_space_bytes: gib_x4 << 28, cpu_seconds: 60, file_size_bytes: 100<<20, wall_clock: Duration::from_secs(60), output_tail_bytes: 400 } };
        let e = run(&s).await.unwrap();
        println!("enc {} MiB x{threads}: {:?} {:?} cpu {:?} rss {} MiB {} {:?}", gib_x4*256, e.code, e.signal, e.cpu_time, e.max_rss_bytes>>20, e.stderr_tail, e.confinement);
        s.args = args(&format!("-nostdin -hide_banner -loglevel error -threads {threads} -protocol_whitelist file,pipe -i out.mp4 -map 0:v -f framemd5 -"));
        let e = run(&s).await.unwrap();
        println!("dec: {:?} {:?} lines {} rss {} {}", e.code, e.signal, String::from_utf8_lossy(&e.stdout).lines().count(), e.max_rss_bytes>>20, e.stderr_tail);
      }
    }
    for hostile in ["-nostdin -i http://127.0.0.1:1/x -f null -", "-nostdin -i /etc/passwd -f null -", "-nostdin -f lavfi -i testsrc2=d=1 -c:v libx265 -threads 8 x.mp4", "-nostdin -f lavfi -i testsrc2=d=1 /tmp/evil.mp4","-nostdin -v error -f lavfi -i testsrc2=d=20:s=1920x1080 -c:v rawvideo big.avi"] {
        let s = Sandbox { program: PathBuf::from(std::env::var("FF").unwrap()), args: args(hostile), work_dir: work.path().into(), read_only: vec![],
          limits: Limits { address_space_bytes: 4 << 30, cpu_seconds: 60, file_size_bytes: 100<<20, wall_clock: Duration::from_secs(60), output_tail_bytes: 300 } };
        let e = run(&s).await.unwrap();
        println!("{hostile}: {:?} {:?} {}", e.code, e.signal, e.stderr_tail);
    }
}
#[tokio::test]
async fn environ_as_user() {
    let work = tempfile::tempdir().unwrap();
    for hide in [false, true] {
        if hide { hide_from_child().unwrap(); }
        let pid = std::process::id();
        let s = Sandbox { program: "/usr/bin/perl".into(), args: vec!["-e".into(), format!("for ('environ','mem') {{ open(F,'<','/proc/{pid}/'.$_) and print 'open ' }}").into()], work_dir: work.path().into(), read_only: vec!["/proc".into()],
          limits: Limits { address_space_bytes: 4 << 30, cpu_seconds: 60, file_size_bytes: 100<<20, wall_clock: Duration::from_secs(60), output_tail_bytes: 300 } };
        let e = run(&s).await.unwrap();
        println!("hide {hide}: {:?} {:?} {}", e.confinement, String::from_utf8_lossy(&e.stdout), e.stderr_tail);
    }
}
