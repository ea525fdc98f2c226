//! The child as a process: started, watched, killed, reaped.
//!
//! A thread per child starts it and stays until it is reaped. Two things hang on that. The
//! kernel's parent-death signal is tied to the thread that forked, so it cannot come early,
//! whatever the async runtime does with its threads. And the child is reaped even when
//! nobody waits for the answer any more.
#![allow(unsafe_code, reason = "pre_exec and wait4 have no safe form")]

use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::pin::pin;
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::child::{LANDLOCK_ON, Restrictions, SECCOMP_ON};
use crate::confinement::{Confinement, LandlockLevel, Paths};
use crate::output::{Tail, pump};
use crate::program;
use crate::syscalls;
use crate::{Exit, Sandbox, SandboxError};

/// For reading what is left in the pipes of a dead child. Only a process that got out of
/// the group, which takes a kernel without seccomp, can hold them open for longer.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Runs the program to its end or that of its wall clock.
///
/// Dropping the future kills the child and its whole process group.
///
/// # Errors
/// An operation of the parent's that failed; how the child fared is in [`Exit`].
pub async fn run(sandbox: &Sandbox) -> Result<Exit, SandboxError> {
    let deadline = Instant::now().checked_add(sandbox.limits.wall_clock);
    let (answer, started) = oneshot::channel();
    let for_thread = sandbox.clone();
    std::thread::Builder::new()
        .name("sandbox".to_owned())
        .spawn(move || supervise(&for_thread, answer))
        .map_err(SandboxError::StartSupervisor)?;
    let running = started.await.map_err(|_| SandboxError::LoseSupervisor)??;
    running
        .watch(deadline, sandbox.limits.output_tail_bytes)
        .await
}

/// The thread: starts the child, answers with it, and reaps it.
fn supervise(sandbox: &Sandbox, answer: oneshot::Sender<Result<Running, SandboxError>>) {
    let (end, ended) = oneshot::channel();
    match start(sandbox, ended) {
        Err(error) => drop(answer.send(Err(error))),
        Ok(running) => {
            let group = Arc::clone(&running.guard.0);
            // If nobody listens any more, `running` is dropped here, and that kills.
            drop(answer.send(Ok(running)));
            drop(end.send(group.wait()));
        }
    }
}

/// Makes everything ready and forks.
fn start(
    sandbox: &Sandbox,
    ended: oneshot::Receiver<io::Result<Ended>>,
) -> Result<Running, SandboxError> {
    let program = program::resolve(&sandbox.program, std::env::var_os("PATH").as_deref())?;
    if !sandbox.work_dir.is_dir() {
        return Err(SandboxError::UseWorkDir {
            path: sandbox.work_dir.clone(),
        });
    }
    let rules = Paths::open(&program, &sandbox.work_dir, &sandbox.read_only)?.into_rules();
    let landlock = rules
        .as_ref()
        .map_or(LandlockLevel::Off, |rules| rules.level);
    let filters = syscalls::filters().map_err(SandboxError::CompileFilter)?;
    let (status, writer) = io::pipe().map_err(SandboxError::MakePipe)?;
    let limits = sandbox.limits.resource_limits();
    let restrictions = Restrictions::new(limits, rules, filters, writer);
    let mut command = command(sandbox, &program, restrictions);
    let mut child = command
        .spawn()
        .map_err(|source| SandboxError::Spawn { program, source })?;
    let guard = KillOnDrop(Arc::new(Group::led_by(Pid::from_child(&child))));
    // The parent's end for writing goes with it, so that reading cannot block.
    drop(command);
    let confinement = read_status(status, landlock);
    Ok(Running {
        guard,
        ended,
        confinement,
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
    })
}

fn command(sandbox: &Sandbox, program: &Path, restrictions: Restrictions) -> Command {
    let mut command = Command::new(program);
    command
        .arg0(&sandbox.program)
        .args(&sandbox.args)
        .env_clear()
        .current_dir(&sandbox.work_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: `apply` runs between fork and exec. It makes system calls over values that
    // were made before the fork; it does not allocate, lock, log or unwind.
    unsafe { command.pre_exec(move || restrictions.apply()) };
    command
}

/// What the child said of itself before exec. Spawning returns after exec, so it is there.
fn read_status(mut status: PipeReader, landlock: LandlockLevel) -> Confinement {
    let mut byte = [0];
    let [bits] = status.read_exact(&mut byte).map_or([0], |()| byte);
    let confinement = Confinement {
        landlock: if bits & LANDLOCK_ON == 0 {
            LandlockLevel::Off
        } else {
            landlock
        },
        seccomp: bits & SECCOMP_ON != 0,
    };
    warn_if_lacking(confinement);
    confinement
}

/// Once: it is the kernel's doing and will not change.
fn warn_if_lacking(confinement: Confinement) {
    static WARNED: Once = Once::new();
    if !confinement.is_full() {
        WARNED.call_once(|| {
            tracing::warn!(
                landlock = ?confinement.landlock,
                seccomp = confinement.seccomp,
                "the kernel does not fully confine child processes"
            );
        });
    }
}

/// A started child. Dropping it kills the group.
struct Running {
    guard: KillOnDrop,
    ended: oneshot::Receiver<io::Result<Ended>>,
    confinement: Confinement,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Running {
    /// Reads along until the child has ended, killing the group at the deadline, which no
    /// child has whose wall clock is longer than the clock can tell.
    async fn watch(
        self,
        deadline: Option<Instant>,
        tail_bytes: usize,
    ) -> Result<Exit, SandboxError> {
        let Self {
            guard,
            ended,
            confinement,
            stdout,
            stderr,
        } = self;
        let stdout = stdout
            .map(tokio::process::ChildStdout::from_std)
            .transpose();
        let stderr = stderr
            .map(tokio::process::ChildStderr::from_std)
            .transpose();
        let (stdout, stderr) = (
            stdout.map_err(SandboxError::AttachOutput)?,
            stderr.map_err(SandboxError::AttachOutput)?,
        );
        let mut out_tail = Tail::new(tail_bytes);
        let mut err_tail = Tail::new(tail_bytes);
        let pumps =
            async { tokio::try_join!(pump(stdout, &mut out_tail), pump(stderr, &mut err_tail)) };
        let (ended, timed_out) = reading_along(pumps, ended, deadline, &guard).await?;
        let (stdout, stdout_truncated) = out_tail.finish();
        let (stderr, _) = err_tail.finish();
        Ok(Exit {
            code: ended.status.code(),
            signal: ended.status.signal(),
            timed_out,
            stdout,
            stdout_truncated,
            stderr_tail: String::from_utf8_lossy(&stderr).into_owned(),
            confinement,
            cpu_time: ended.cpu_time,
            max_rss_bytes: ended.max_rss_bytes,
        })
    }
}

/// Waits for the end of the child with the pumps running, then for what is left in the
/// pipes. The second value is whether the deadline came first.
async fn reading_along(
    pumps: impl Future<Output = io::Result<((), ())>>,
    ended: oneshot::Receiver<io::Result<Ended>>,
    deadline: Option<Instant>,
    guard: &KillOnDrop,
) -> Result<(Ended, bool), SandboxError> {
    let mut pumps = pin!(pumps);
    let mut ended = pin!(ended);
    let mut is_drained = false;
    let until_end = async {
        loop {
            tokio::select! {
                biased;
                end = &mut ended => return Ok(end),
                read = &mut pumps, if !is_drained => {
                    read.map_err(SandboxError::ReadOutput)?;
                    is_drained = true;
                }
            }
        }
    };
    let in_time = match deadline {
        Some(deadline) => timeout_at(deadline, until_end).await.ok(),
        None => Some(until_end.await),
    };
    let timed_out = in_time.is_none();
    let end = if let Some(end) = in_time {
        end?
    } else {
        guard.0.kill();
        ended.await
    };
    let end = end
        .map_err(|_| SandboxError::LoseSupervisor)?
        .map_err(SandboxError::Wait)?;
    if !is_drained && let Ok(read) = timeout(DRAIN_TIME, pumps).await {
        read.map_err(SandboxError::ReadOutput)?;
    }
    Ok((end, timed_out))
}

/// A dead child's account.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    cpu_time: Duration,
    max_rss_bytes: u64,
}

/// Kills the group when the run is over or given up.
struct KillOnDrop(Arc<Group>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// The child's process group, named by its leader until that is reaped. From then on the
/// number may belong to strangers, so killing and reaping exclude each other.
struct Group {
    leader: Mutex<Option<Pid>>,
}

impl Group {
    fn led_by(leader: Pid) -> Self {
        Self {
            leader: Mutex::new(Some(leader)),
        }
    }

    /// Kills all that is left of the group.
    fn kill(&self) {
        if let Some(leader) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) {
            kill_group_of(leader);
        }
    }

    /// Waits for the leader to die, kills the rest of the group, and only then reaps.
    fn wait(&self) -> io::Result<Ended> {
        let Some(leader) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        };
        let without_reaping = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(leader), without_reaping))?;
        let mut slot = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        kill_group_of(leader);
        *slot = None;
        reap(leader)
    }
}

fn kill_group_of(leader: Pid) {
    if let Err(error) = kill_process_group(leader, Signal::KILL) {
        tracing::error!(%error, "cannot kill the child's process group");
    }
}

/// Takes the status and the account of a dead child.
fn reap(child: Pid) -> io::Result<Ended> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live values of the types that wait4 fills in.
        let result = unsafe {
            libc::wait4(
                child.as_raw_nonzero().get(),
                &raw mut status,
                0,
                usage.as_mut_ptr(),
            )
        };
        if result >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: wait4 has succeeded and filled it in; all zeroes would be valid too.
    let usage = unsafe { usage.assume_init() };
    Ok(Ended {
        status: ExitStatus::from_raw(status),
        cpu_time: duration(usage.ru_utime) + duration(usage.ru_stime),
        // The kernel counts it in KiB.
        max_rss_bytes: u64::try_from(usage.ru_maxrss)
            .unwrap_or_default()
            .saturating_mul(1024),
    })
}

/// The kernel's times are not negative.
fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
}
