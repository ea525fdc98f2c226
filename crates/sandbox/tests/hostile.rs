//! Children that try what they must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy takes the helpers of an integration test for code"
)]

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cattube_sandbox::{Exit, LandlockLevel, Limits, Sandbox, SandboxError, hide_from_child, run};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longer than anything here takes: what is waited for this long will not come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough for a shell to start on a busy machine.
const SHORT_WALL_CLOCK: Duration = Duration::from_secs(3);
const MIB: u64 = 1024 * 1024;

/// The folder's `up` is a pipe on which a descendant of the child, and it alone, says that
/// it runs; then it blocks for ever.
const GRANDCHILD: &str = "( exec 3>up; echo up >&3; read never <never ) &";

fn sandbox<A: Into<OsString>>(
    work: &TempDir,
    program: &str,
    args: impl IntoIterator<Item = A>,
) -> Sandbox {
    Sandbox {
        program: PathBuf::from(program),
        args: args.into_iter().map(Into::into).collect(),
        work_dir: work.path().to_path_buf(),
        read_only: Vec::new(),
        limits: Limits {
            address_space_bytes: 1024 * MIB,
            cpu_seconds: 20,
            file_size_bytes: MIB,
            wall_clock: PATIENCE,
            output_tail_bytes: 4096,
        },
    }
}

fn shell(work: &TempDir, script: &str) -> Sandbox {
    sandbox(work, "/bin/sh", ["-c", script])
}

fn perl(work: &TempDir, script: &str) -> Sandbox {
    sandbox(work, "/usr/bin/perl", ["-e", script])
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn text(exit: &Exit) -> String {
    String::from_utf8(exit.stdout.clone()).unwrap()
}

fn lacks_landlock(exit: &Exit) -> bool {
    let is_off = exit.confinement.landlock == LandlockLevel::Off;
    if is_off {
        eprintln!("skipped: the kernel has no Landlock");
    }
    is_off
}

fn lacks_seccomp(exit: &Exit) -> bool {
    if !exit.confinement.seccomp {
        eprintln!("skipped: the kernel has no seccomp");
    }
    !exit.confinement.seccomp
}

/// Makes the pipes that [`GRANDCHILD`] uses. The first answer comes when it is up, the
/// second when nobody is left who could write: it is dead.
fn listen(work: &TempDir) -> (oneshot::Receiver<String>, oneshot::Receiver<()>) {
    let pipes = ["up", "never"].map(|name| work.path().join(name));
    assert!(
        Command::new("mkfifo")
            .args(&pipes)
            .status()
            .unwrap()
            .success()
    );
    let (tell_up, is_up) = oneshot::channel();
    let (tell_dead, is_dead) = oneshot::channel();
    let up = work.path().join("up");
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(File::open(up).unwrap());
        let mut line = String::new();
        pipe.read_line(&mut line).unwrap();
        tell_up.send(line).unwrap();
        pipe.read_to_end(&mut Vec::new()).unwrap();
        tell_dead.send(()).unwrap();
    });
    (is_up, is_dead)
}

async fn soon<T>(answer: oneshot::Receiver<T>, what: &str) -> T {
    timeout(PATIENCE, answer).await.expect(what).expect(what)
}

#[tokio::test]
async fn the_environment_is_empty() {
    assert!(
        std::env::vars_os().next().is_some(),
        "nothing that could be inherited"
    );
    let work = folder();
    let exit = run(&sandbox(&work, "env", [""; 0])).await.unwrap();
    assert_eq!((exit.code, text(&exit).as_str()), (Some(0), ""));
}

#[tokio::test]
async fn exit_code_and_outputs_are_reported() {
    let work = folder();
    let exit = run(&shell(&work, "echo out; echo err >&2; exit 7"))
        .await
        .unwrap();
    assert_eq!(
        (exit.code, exit.signal, exit.timed_out),
        (Some(7), None, false)
    );
    assert_eq!(
        (text(&exit).as_str(), exit.stderr_tail.as_str()),
        ("out\n", "err\n")
    );
    assert!(!exit.stdout_truncated);
    assert!(exit.max_rss_bytes > 0);
}

#[tokio::test]
async fn the_signal_is_reported() {
    let work = folder();
    let exit = run(&shell(&work, "kill -15 $$")).await.unwrap();
    assert_eq!(
        (exit.code, exit.signal, exit.timed_out),
        (None, Some(15), false)
    );
}

#[tokio::test]
async fn only_the_end_of_the_outputs_is_kept() {
    let work = folder();
    let script = "print 'o' x 300000, 'OUT'; print STDERR \"\\xff\" x 300000, 'ERR'";
    let mut sandbox = perl(&work, script);
    sandbox.limits.output_tail_bytes = 1000;
    let exit = run(&sandbox).await.unwrap();
    assert_eq!(text(&exit), format!("{}OUT", "o".repeat(997)));
    assert!(exit.stdout_truncated);
    assert_eq!(exit.stderr_tail, format!("{}ERR", "\u{fffd}".repeat(997)));
}

#[tokio::test]
async fn it_writes_in_its_folder_only() {
    let (work, outside) = (folder(), folder());
    let target = outside.path().join("file");
    let script = format!("echo x >inside && echo x >{}", target.display());
    let mut sandbox = shell(&work, &script);
    // That it may read there must not help.
    sandbox.read_only.push(outside.path().to_path_buf());
    let exit = run(&sandbox).await.unwrap();
    assert!(work.path().join("inside").exists());
    if lacks_landlock(&exit) {
        return;
    }
    assert_ne!(exit.code, Some(0));
    assert!(!target.exists());
}

#[tokio::test]
async fn it_makes_moves_and_removes_what_is_in_its_folder() {
    let work = folder();
    let script = "mkdir 'd' or die; open F, '>', 'a' or die; print F 'x' x 9; close F; \
        open F, '>', 'b' or die; rename 'a', 'd/a' or die; unlink 'b' or die; \
        truncate 'd/a', 4 or die";
    let exit = run(&perl(&work, script)).await.unwrap();
    assert_eq!((exit.code, exit.stderr_tail.as_str()), (Some(0), ""));
    assert_eq!(fs::read(work.path().join("d/a")).unwrap(), b"xxxx");
    assert!(!work.path().join("b").exists());
}

#[tokio::test]
async fn it_reads_what_it_was_given_only() {
    let (work, outside) = (folder(), folder());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret\n").unwrap();
    let script = format!("read line <{} && echo $line", secret.display());
    let mut sandbox = shell(&work, &script);
    let exit = run(&sandbox).await.unwrap();
    if !lacks_landlock(&exit) {
        assert_ne!(exit.code, Some(0));
        assert_eq!(text(&exit), "");
    }
    for given in [secret, outside.path().to_path_buf()] {
        sandbox.read_only = vec![given];
        assert_eq!(text(&run(&sandbox).await.unwrap()), "secret\n");
    }
}

#[tokio::test]
async fn it_cannot_read_the_parents_environment() {
    let work = folder();
    let environ = format!("/proc/{}/environ", std::process::id());
    let script = format!("open F, '<', '{environ}' and print 'open ', length <F>");
    let exit = run(&perl(&work, &script)).await.unwrap();
    if !lacks_landlock(&exit) {
        assert_eq!(text(&exit), "");
    }
}

#[tokio::test]
async fn it_cannot_execute_what_it_wrote() {
    let work = folder();
    let copy = work.path().join("true");
    fs::copy("/bin/true", &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    let exit = run(&shell(&work, "./true; echo $?")).await.unwrap();
    if !lacks_landlock(&exit) {
        assert_eq!(text(&exit), "126\n");
    }
}

#[tokio::test]
async fn it_cannot_open_a_socket() {
    let work = folder();
    // AF_INET and AF_UNIX, SOCK_STREAM.
    let script = "for (2, 1) { socket(my $s, $_, 1, 0) and print 'open '; print $! + 0, ' ' }";
    let exit = run(&perl(&work, script)).await.unwrap();
    if !lacks_seccomp(&exit) {
        let eperm = libc::EPERM;
        assert_eq!(text(&exit), format!("{eperm} {eperm} "));
    }
}

#[tokio::test]
async fn denied_system_calls_fail_with_eperm() {
    let work = folder();
    let numbers = [
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_mount,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_open_by_handle_at,
        libc::SYS_clone,
        libc::SYS_prlimit64,
        libc::SYS_mq_open,
        #[cfg(target_arch = "x86_64")]
        // getpid by its x32 number.
        (libc::SYS_getpid | 0x4000_0000),
    ];
    for number in numbers {
        let script = format!("print syscall({number}, -1, -1, -1, -1, -1), ' ', $! + 0");
        let exit = run(&perl(&work, &script)).await.unwrap();
        if lacks_seccomp(&exit) {
            return;
        }
        assert_eq!(
            text(&exit),
            format!("-1 {}", libc::EPERM),
            "system call {number}"
        );
    }
}

#[tokio::test]
async fn it_cannot_leave_links_or_pipes_for_the_parent() {
    let work = folder();
    let script = "open F, '>', 'a' or die; symlink '/etc/passwd', 'l' and print 'symlink'; \
        link 'a', 'b' and print 'link'; \
        eval { require POSIX; POSIX::mkfifo('p', 0600) } and print 'pipe'";
    let exit = run(&perl(&work, script)).await.unwrap();
    let names: Vec<_> = fs::read_dir(&work)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    if !lacks_seccomp(&exit) {
        assert_eq!(
            (text(&exit).as_str(), names),
            ("", vec![OsString::from("a")])
        );
    }
}

#[tokio::test]
async fn it_cannot_leave_its_process_group() {
    let work = folder();
    // In a fork, as a leader is refused by the kernel's own rules.
    let script = "my $pid = fork; if (!$pid) { setpgrp(0, 0) and exit 0; exit $! + 0 } \
        waitpid $pid, 0; print $? >> 8";
    let exit = run(&perl(&work, script)).await.unwrap();
    if !lacks_seccomp(&exit) {
        assert_eq!(text(&exit), libc::EPERM.to_string());
    }
}

#[tokio::test]
async fn it_cannot_signal_the_parent() {
    let work = folder();
    let script = format!("print kill(0, {}), ' ', $! + 0", std::process::id());
    let exit = run(&perl(&work, &script)).await.unwrap();
    if exit.confinement.landlock == LandlockLevel::Full {
        assert_eq!(text(&exit), format!("0 {}", libc::EPERM));
    } else {
        eprintln!("skipped: the kernel's Landlock does not scope signals");
    }
}

#[tokio::test]
async fn it_has_no_capability_and_gains_none() {
    let work = folder();
    let mut sandbox = sandbox(&work, "cat", ["/proc/self/status"]);
    sandbox.read_only.push(PathBuf::from("/proc"));
    let exit = run(&sandbox).await.unwrap();
    let status = text(&exit);
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).trim().to_owned()
    };
    for set in ["CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    // SECCOMP_MODE_FILTER: what is reported is so.
    assert_eq!(field("Seccomp:") == "2", exit.confinement.seccomp);
}

#[tokio::test]
async fn no_descriptor_is_inherited() {
    let work = folder();
    let file = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let script = "for (3 .. 200) { open(my $f, '<&', $_) and print \"$_ \" }";
    let inherited = Command::new("perl")
        .args(["-e", script])
        .output()
        .unwrap()
        .stdout;
    let ours = format!("{} ", file.as_raw_fd());
    assert!(
        String::from_utf8(inherited).unwrap().contains(&ours),
        "nothing to inherit"
    );
    assert_eq!(text(&run(&perl(&work, script)).await.unwrap()), "");
}

#[tokio::test]
async fn a_file_cannot_grow_beyond_the_limit() {
    let work = folder();
    let mut sandbox = perl(&work, "open F, '>', 'big'; print F 'x' x 1024 while 1");
    sandbox.limits.file_size_bytes = 100_000;
    let exit = run(&sandbox).await.unwrap();
    assert_eq!((exit.code, exit.signal), (None, Some(libc::SIGXFSZ)));
    assert_eq!(
        fs::metadata(work.path().join("big")).unwrap().len(),
        100_000
    );
}

#[tokio::test]
async fn memory_is_limited() {
    let work = folder();
    let mut sandbox = perl(&work, "$x = 'x' x (200 << 20); print 'had it'");
    let exit = run(&sandbox).await.unwrap();
    assert_eq!(text(&exit), "had it");
    assert!(exit.max_rss_bytes > 200 * MIB, "{}", exit.max_rss_bytes);
    sandbox.limits.address_space_bytes = 150 * MIB;
    let exit = run(&sandbox).await.unwrap();
    assert_ne!(exit.code, Some(0));
    assert_eq!(text(&exit), "");
}

#[tokio::test]
async fn processor_time_is_limited() {
    let work = folder();
    let mut sandbox = shell(&work, "while :; do :; done");
    sandbox.limits.cpu_seconds = 1;
    let exit = run(&sandbox).await.unwrap();
    assert_eq!((exit.signal, exit.timed_out), (Some(libc::SIGXCPU), false));
    assert!(
        exit.cpu_time >= Duration::from_millis(900),
        "{:?}",
        exit.cpu_time
    );
    // The signal can be ignored, the kill after it cannot.
    sandbox.args[1] = "trap '' XCPU; while :; do :; done".into();
    let exit = run(&sandbox).await.unwrap();
    assert_eq!((exit.signal, exit.timed_out), (Some(libc::SIGKILL), false));
}

#[tokio::test]
async fn the_wall_clock_kills_grandchildren_too() {
    let work = folder();
    let (is_up, is_dead) = listen(&work);
    let mut sandbox = shell(&work, &format!("{GRANDCHILD} wait"));
    sandbox.limits.wall_clock = SHORT_WALL_CLOCK;
    let exit = run(&sandbox).await.unwrap();
    assert_eq!((exit.signal, exit.timed_out), (Some(libc::SIGKILL), true));
    assert_eq!(soon(is_up, "the grandchild's start").await, "up\n");
    soon(is_dead, "the grandchild's death").await;
}

#[tokio::test]
async fn grandchildren_do_not_outlive_the_child() {
    let work = folder();
    let (is_up, is_dead) = listen(&work);
    // The child ends once its grandchild, which holds on to its outputs, is up.
    let script = format!("{GRANDCHILD} while [ ! -e ready ]; do :; done; echo done");
    let sandbox = shell(&work, &script);
    let running = tokio::spawn(async move { run(&sandbox).await });
    assert_eq!(soon(is_up, "the grandchild's start").await, "up\n");
    File::create(work.path().join("ready")).unwrap();
    let exit = running.await.unwrap().unwrap();
    assert_eq!(
        (exit.code, exit.timed_out, text(&exit).as_str()),
        (Some(0), false, "done\n")
    );
    soon(is_dead, "the grandchild's death").await;
}

#[tokio::test]
async fn dropping_the_future_kills_the_group() {
    let work = folder();
    let (is_up, is_dead) = listen(&work);
    let sandbox = shell(&work, &format!("{GRANDCHILD} wait"));
    let running = tokio::spawn(async move { run(&sandbox).await });
    assert_eq!(soon(is_up, "the grandchild's start").await, "up\n");
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    soon(is_dead, "the grandchild's death").await;
}

/// Tell [`a_parent`] what to run, and where.
const PARENT_OF: &str = "SANDBOX_TEST_PARENT_OF";
const PARENT_IN: &str = "SANDBOX_TEST_PARENT_IN";

/// Not a test: a process of its own for the two next ones.
#[tokio::test]
#[ignore = "a process for other tests"]
async fn a_parent() {
    let (Ok(script), Ok(path)) = (std::env::var(PARENT_OF), std::env::var(PARENT_IN)) else {
        return;
    };
    let mut sandbox = shell(&folder(), &script);
    sandbox.work_dir = PathBuf::from(path);
    run(&sandbox).await.unwrap();
}

fn parent_of(work: &TempDir, script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "a_parent"])
        .env(PARENT_OF, script)
        .env(PARENT_IN, work.path());
    command
}

#[tokio::test]
async fn the_child_dies_with_the_parent() {
    let work = folder();
    let (is_up, is_dead) = listen(&work);
    let mut parent = parent_of(&work, "exec 3>up; echo up >&3; read never <never")
        .spawn()
        .unwrap();
    assert_eq!(soon(is_up, "the child's start").await, "up\n");
    parent.kill().unwrap();
    parent.wait().unwrap();
    soon(is_dead, "the child's death").await;
}

#[tokio::test]
async fn the_parents_input_is_not_the_childs() {
    let work = folder();
    let input = work.path().join("input");
    fs::write(&input, "the parent's\n").unwrap();
    let status = parent_of(&work, "read line; echo \"got $line\" >seen")
        .stdin(File::open(input).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        fs::read_to_string(work.path().join("seen")).unwrap(),
        "got \n"
    );
}

#[tokio::test]
async fn what_cannot_be_run_is_an_error() {
    let work = folder();
    let missing = run(&sandbox(&work, "no-such-program", [""; 0])).await;
    assert!(
        matches!(missing, Err(SandboxError::FindProgram { .. })),
        "{missing:?}"
    );

    let plain_file = work.path().join("plain");
    fs::write(&plain_file, "").unwrap();
    let refused = run(&sandbox(&work, plain_file.to_str().unwrap(), [""; 0])).await;
    assert!(
        matches!(refused, Err(SandboxError::Spawn { .. })),
        "{refused:?}"
    );

    let mut nowhere = shell(&work, "");
    nowhere.work_dir = plain_file;
    let nowhere = run(&nowhere).await;
    assert!(
        matches!(nowhere, Err(SandboxError::UseWorkDir { .. })),
        "{nowhere:?}"
    );

    let mut unreadable = shell(&work, "");
    unreadable
        .read_only
        .push(Path::new("/no/such/file").to_path_buf());
    let unreadable = run(&unreadable).await;
    assert!(
        matches!(unreadable, Err(SandboxError::OpenPath(_))),
        "{unreadable:?}"
    );
}

#[test]
fn the_parent_can_hide() {
    use rustix::process::{DumpableBehavior, dumpable_behavior};
    hide_from_child().unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
