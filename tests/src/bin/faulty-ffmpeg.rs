//! Does as the ffmpeg that is packed behind it, or what the faults behind that say. It must
//! never be on any other PATH than a test engine's.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::thread::{park, sleep};
use std::time::Duration;

use cattube_tests::faulty::{Fault, Packed, Planted};
use rustix::fs::{MemfdFlags, memfd_create};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The first output of a video chunk.
const FIRST_FILE: &str = "r0.mp4";

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("faulty-ffmpeg: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut own = File::open("/proc/self/exe")?;
    let packed = Packed::read(&mut own)?;
    let planted = packed.faults.iter().find(|planted| planted.shows(&args));
    let fault = planted.map(|planted| planted.fault);
    if fault == Some(Fault::Hang) {
        loop {
            park();
        }
    }
    let ffmpeg = unpack(&mut own, &packed)?;
    let mut command = Command::new(format!("/proc/self/fd/{}", ffmpeg.as_raw_fd()));
    command.args(&args);
    match planted {
        Some(planted) if planted.fault == Fault::Truncate => truncated(command.spawn()?, planted),
        _ if fault == Some(Fault::Die) => die(command.spawn()?),
        _ => {
            if fault == Some(Fault::DiskFull) {
                fill_disk()?;
            }
            // Comes back only if it fails.
            Err(command.exec().into())
        }
    }
}

/// The real ffmpeg as a file without a place: the sandbox knows no other that may be executed.
fn unpack(own: &mut File, packed: &Packed) -> io::Result<OwnedFd> {
    let mut unpacked = File::from(memfd_create("ffmpeg", MemfdFlags::CLOEXEC)?);
    own.seek(SeekFrom::Start(packed.ffmpeg_at))?;
    io::copy(&mut own.take(packed.ffmpeg_bytes), &mut unpacked)?;
    // What is open for writing cannot be executed.
    let for_reading = File::open(format!("/proc/self/fd/{}", unpacked.as_raw_fd()))?;
    Ok(for_reading.into())
}

/// Ends well, with half of a file.
fn truncated(mut child: Child, planted: &Planted) -> Result<u8, Box<dyn Error>> {
    let status = child.wait()?;
    let file = File::options().write(true).open(&planted.file)?;
    file.set_len(file.metadata()?.len() / 2)?;
    Ok(u8::try_from(status.code().unwrap_or(1))?)
}

/// Ends by a signal when something is written.
fn die(mut child: Child) -> Result<u8, Box<dyn Error>> {
    let is_written = || fs::metadata(Path::new(FIRST_FILE)).is_ok_and(|file| file.len() > 0);
    while child.try_wait()?.is_none() && !is_written() {
        sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    std::process::abort()
}

/// From here on, also for what is executed then, each write beyond the standard streams finds
/// no space left.
fn fill_disk() -> Result<(), Box<dyn Error>> {
    let beyond = || {
        let is_file = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Gt, 2)?;
        Ok::<_, seccompiler::BackendError>(vec![SeccompRule::new(vec![is_file])?])
    };
    let rules = BTreeMap::from([
        (libc::SYS_write, beyond()?),
        (libc::SYS_writev, beyond()?),
        (libc::SYS_pwrite64, beyond()?),
    ]);
    let full = SeccompAction::Errno(libc::ENOSPC.unsigned_abs());
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        full,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}
