//! From fork to exec: the child restricts itself.
//!
//! Everything here but [`Restrictions::new`] runs in a fork of a process with many threads,
//! where another thread may have held any lock: only async-signal-safe calls, no allocation.
#![allow(unsafe_code, reason = "raw system calls for what no safe wrapper has")]

use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsRawFd, RawFd};

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setsid,
};
use rustix::thread::{
    CapabilitiesSecureBits, clear_ambient_capability_set, set_capabilities_secure_bits,
    set_no_new_privs,
};
use seccompiler::BpfProgram;

use crate::confinement::FileRules;
use crate::limits::{self, ResourceLimits};

/// The first descriptor that the child does not get.
const FIRST_INHERITED: RawFd = 3;

/// Where the search for descriptors ends on kernels before 5.11, whatever the limit says:
/// the kernel's own default ceiling (`fs.nr_open`), as a higher limit would take minutes.
const MAX_DESCRIPTORS: RawFd = 1 << 20;

/// Bits of the byte that the child sends.
pub(crate) const LANDLOCK_ON: u8 = 1;
pub(crate) const SECCOMP_ON: u8 = 2;

/// All that the child puts on itself, made ready before the fork.
#[derive(Debug)]
pub(crate) struct Restrictions {
    parent: Pid,
    resource_limits: ResourceLimits,
    descriptor_limit: RawFd,
    file_rules: Option<FileRules>,
    filters: [BpfProgram; 2],
    status: PipeWriter,
}

impl Restrictions {
    pub(crate) fn new(
        resource_limits: ResourceLimits,
        file_rules: Option<FileRules>,
        filters: [BpfProgram; 2],
        status: PipeWriter,
    ) -> Self {
        let descriptor_limit = getrlimit(Resource::Nofile)
            .current
            .and_then(|limit| RawFd::try_from(limit).ok())
            .map_or(MAX_DESCRIPTORS, |limit| limit.min(MAX_DESCRIPTORS));
        Self {
            parent: getpid(),
            resource_limits,
            descriptor_limit,
            file_rules,
            filters,
            status,
        }
    }

    /// Restricts the calling process for good. What is required fails the start of the
    /// child, what is best effort is only reported.
    pub(crate) fn apply(&self) -> io::Result<()> {
        // A session of its own is a process group of its own, and no terminal.
        setsid()?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before that was set.
        if getppid() != Some(self.parent) {
            return Err(Errno::SRCH.into());
        }
        close_on_exec(self.descriptor_limit)?;
        drop_capabilities();
        set_no_new_privs(true)?;
        limits::apply(&self.resource_limits)?;
        let is_landlocked = self.file_rules.as_ref().is_some_and(FileRules::put_on);
        // `apply_filter` makes two system calls and allocates nothing.
        let is_filtered = self
            .filters
            .iter()
            .all(|filter| seccompiler::apply_filter(filter).is_ok());
        let landlock_bit = if is_landlocked { LANDLOCK_ON } else { 0 };
        let seccomp_bit = if is_filtered { SECCOMP_ON } else { 0 };
        (&self.status).write_all(&[landlock_bit | seccomp_bit])
    }
}

impl FileRules {
    fn put_on(&self) -> bool {
        // SAFETY: the call takes a descriptor, which is open, and flags, of which there are
        // none; it reads and writes no memory of ours.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_restrict_self,
                self.ruleset.as_raw_fd(),
                0_u32,
            )
        };
        result == 0
    }
}

/// A child of root is root without its powers: exec would give them back but for these
/// bits. Refused to those who have no capabilities and so need it not.
fn drop_capabilities() {
    let _ = clear_ambient_capability_set();
    let _ = set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED,
    );
}

/// Makes exec close all descriptors but the first three. Not closed at once, as the
/// standard library reports a failed exec over one of them.
fn close_on_exec(descriptor_limit: RawFd) -> io::Result<()> {
    // SAFETY: the call takes three integers; it reads and writes no memory of ours, and
    // marking a descriptor for exec does not invalidate it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST_INHERITED.unsigned_abs(),
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        close_on_exec_one_by_one(descriptor_limit)
    }
}

/// For kernels before 5.11, which cannot mark a range.
fn close_on_exec_one_by_one(descriptor_limit: RawFd) -> io::Result<()> {
    for descriptor in FIRST_INHERITED..descriptor_limit {
        // SAFETY: the call takes three integers; it reads and writes no memory of ours, and
        // one that is not open is reported, not touched.
        let result = unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        let error = io::Error::last_os_error();
        if result != 0 && error.raw_os_error() != Some(libc::EBADF) {
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

    use super::*;

    /// Only on old kernels is this path taken, so it is walked here, in this process, where
    /// all descriptors above 2 are to be closed on exec anyway.
    #[test]
    fn descriptors_can_be_marked_one_by_one() {
        let file = tempfile::tempfile().unwrap();
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        close_on_exec_one_by_one(file.as_raw_fd() + 10).unwrap();
        assert_eq!(fcntl_getfd(&file).unwrap(), FdFlags::CLOEXEC);
    }
}
