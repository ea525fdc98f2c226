//! The system calls that the child is refused.
//!
//! A list of what is denied and not of what is allowed: ffmpeg, its codecs and two C
//! libraries use most of the rest, and an update of any of them would break the latter.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// Talking to anyone. With no socket the rest could only use an inherited one, and there is
/// none; they are denied for the kernel code behind them.
const NETWORK: &[c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// Reaching into other processes of the same user, of which the parent is one.
const OTHER_PROCESSES: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
];

/// Leaving the process group, by which the child is killed.
const PROCESS_GROUP: &[c_long] = &[libc::SYS_setsid, libc::SYS_setpgid];

/// Making a name for something else. The parent opens what it finds in the working
/// directory; a link there would make it read a file of its own for the child.
const LINKS: &[c_long] = &[
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
];

/// Changing what a path means, or opening files without one. A new user namespace would
/// give back the capabilities for it.
const FILE_SYSTEM_VIEW: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
];

/// Kernel code that a decoder has no use for and that exploits have: `io_uring` also does
/// by proxy what this filter denies.
const KERNEL_SURFACE: &[c_long] = &[
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
];

/// Memory that stays when the child is gone and that no limit counts.
const LASTING_OBJECTS: &[c_long] = &[
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
];

/// Flags of `clone` that do what `unshare` does.
const NAMESPACE_FLAGS: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The filters for the child, in the order in which it puts them on.
pub(crate) fn filters() -> Result<[BpfProgram; 2], BackendError> {
    Ok([denied()?, not_implemented()?])
}

/// All that is refused with `EPERM`.
fn denied() -> Result<BpfProgram, BackendError> {
    let always = [
        NETWORK,
        OTHER_PROCESSES,
        PROCESS_GROUP,
        LINKS,
        FILE_SYSTEM_VIEW,
        KERNEL_SURFACE,
        LASTING_OBJECTS,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always
        .into_iter()
        .flatten()
        .map(|&call| (call, Vec::new()))
        .collect();
    rules.insert(libc::SYS_clone, new_namespace()?);
    rules.insert(libc::SYS_prlimit64, limits_of_another()?);
    let mut program = foreign_abi_guard();
    program.extend(compile(rules, libc::EPERM)?);
    Ok(program)
}

/// `clone3` keeps its flags in memory, where a filter cannot look. Said not to exist, it
/// makes C libraries fall back to `clone`.
fn not_implemented() -> Result<BpfProgram, BackendError> {
    compile(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        libc::ENOSYS,
    )
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: libc::c_int,
) -> Result<BpfProgram, BackendError> {
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// `clone` with any of the namespace flags; threads and plain forks have none.
fn new_namespace() -> Result<Vec<SeccompRule>, BackendError> {
    NAMESPACE_FLAGS
        .into_iter()
        .map(|flag| {
            let bit = u64::from(flag.unsigned_abs());
            let is_set = SeccompCmpOp::MaskedEq(bit);
            SeccompRule::new(vec![SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                is_set,
                bit,
            )?])
        })
        .collect()
}

/// `prlimit64` on another process: the kernel lets one of the same user through, so the
/// child could take the parent's processor time from it.
fn limits_of_another() -> Result<Vec<SeccompRule>, BackendError> {
    let is_other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0)?;
    Ok(vec![SeccompRule::new(vec![is_other])?])
}

/// On `x86_64` every system call has a second number, the x32 one, that the rules would not
/// match: all of those are refused. (The 32-bit ones are another architecture to the
/// kernel, and what seccompiler compiles kills a process that makes them.)
fn foreign_abi_guard() -> BpfProgram {
    // From <linux/bpf_common.h>: load a word of the call's data; jump if not below; return.
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    // From <linux/seccomp.h> and <asm/unistd.h>.
    const NUMBER_OFFSET: u32 = 0;
    const X32_BIT: u32 = 0x4000_0000;
    if !cfg!(target_arch = "x86_64") {
        return Vec::new();
    }
    let refuse = u32::from(SeccompAction::Errno(libc::EPERM.unsigned_abs()));
    vec![
        sock_filter {
            code: LOAD,
            jt: 0,
            jf: 0,
            k: NUMBER_OFFSET,
        },
        sock_filter {
            code: JUMP_IF_AT_LEAST,
            jt: 0,
            jf: 1,
            k: X32_BIT,
        },
        sock_filter {
            code: RETURN,
            jt: 0,
            jf: 0,
            k: refuse,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_within_what_the_kernel_takes() {
        // BPF_MAXINSNS.
        filters()
            .unwrap()
            .iter()
            .for_each(|program| assert!(program.len() < 4096));
    }
}
