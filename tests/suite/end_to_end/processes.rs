//! The processes of the machine, as `/proc` shows them.

use std::fs;
use std::path::Path;

fn pids() -> impl Iterator<Item = i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The ffmpeg that a process is running.
pub fn encoder_of(pid: i32) -> Option<i32> {
    pids().find(|child| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let program = fs::read_link(format!("/proc/{child}/exe")).unwrap_or_default();
        // A faulty one runs the real one as a file without a place.
        let program = program.to_string_lossy();
        let name = program.rsplit(['/', ':']).next().unwrap_or_default();
        fields.split(' ').nth(1) == Some(&pid.to_string()) && name.starts_with("ffmpeg")
    })
}

pub fn is_running(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok()
}

/// Those with a text in their arguments.
pub fn with_argument(text: &str) -> Vec<i32> {
    let has = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(text)
    };
    pids().filter(has).collect()
}
