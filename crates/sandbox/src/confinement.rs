//! What the kernel is asked to hold the child to, and what it really did.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};

use crate::SandboxError;

/// The newest Landlock that the rules were tested with; of an older kernel's they use what
/// it has. It is the first with signal scoping.
const TESTED_ABI: ABI = ABI::V6;

/// Where the dynamic linker finds the system's libraries, and itself: it is executed.
const LIBRARIES: [&str; 5] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/etc/ld.so.cache",
];

/// `-f null` and shells write to the one, C libraries and encoders seed from the other.
const NULL_DEVICE: &str = "/dev/null";
const RANDOM_DEVICE: &str = "/dev/urandom";

/// What the child may do in its working directory: all that plain files and folders need.
/// No links, pipes or devices, as the parent opens what it finds there, and no execution
/// of what was written.
const WORK: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const READ_EXECUTE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir | Execute});
const READ_WRITE_FILE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile});
/// The rights that a rule on a file, not a folder, can have.
const ON_FILES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | Execute});

/// What the kernel really held a child to, as the child reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// Files, TCP and signals.
    pub landlock: LandlockLevel,
    /// The denied system calls, sockets among them.
    pub seccomp: bool,
}

impl Confinement {
    /// Nothing that was asked for is missing.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.seccomp && self.landlock == LandlockLevel::Full
    }
}

/// How much of Landlock was in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LandlockLevel {
    /// None of it: the child could open any file that the parent's user can.
    Off,
    /// Files were confined, by an older kernel: perhaps not truncation, TCP, device
    /// controls or signals.
    Partial,
    /// Files, TCP, device controls and signals.
    Full,
}

/// A ruleset that the child can put on.
#[derive(Debug)]
pub(crate) struct FileRules {
    pub(crate) ruleset: OwnedFd,
    /// What it amounts to when it is on.
    pub(crate) level: LandlockLevel,
}

/// The child's view of the file system, open and ready to become rules.
#[derive(Debug)]
pub(crate) struct Paths(Vec<(PathFd, BitFlags<AccessFs>)>);

impl Paths {
    /// Opens all that the child may use.
    pub(crate) fn open(
        program: &Path,
        work_dir: &Path,
        read_only: &[PathBuf],
    ) -> Result<Self, SandboxError> {
        let mut paths = Vec::new();
        // Not every system has all of these, and a static program needs none.
        for library in LIBRARIES {
            paths.extend(
                PathFd::new(library)
                    .ok()
                    .map(|fd| (fd, allowed_on(library, READ_EXECUTE))),
            );
        }
        paths.extend(
            PathFd::new(NULL_DEVICE)
                .ok()
                .map(|fd| (fd, READ_WRITE_FILE)),
        );
        paths.extend(
            PathFd::new(RANDOM_DEVICE)
                .ok()
                .map(|fd| (fd, AccessFs::ReadFile.into())),
        );
        let asked_for = [(program, READ_EXECUTE), (work_dir, WORK)];
        let readable = read_only.iter().map(|path| (path.as_path(), READ));
        for (path, access) in asked_for.into_iter().chain(readable) {
            let fd = PathFd::new(path).map_err(SandboxError::OpenPath)?;
            paths.push((fd, allowed_on(path, access)));
        }
        Ok(Self(paths))
    }

    /// Makes the rules; `None` where the kernel has no Landlock.
    pub(crate) fn into_rules(self) -> Option<FileRules> {
        let ruleset = self.ruleset().unwrap_or_else(|error| {
            tracing::warn!(%error, "the kernel refuses a Landlock ruleset");
            None
        })?;
        let is_full = handled(CompatLevel::HardRequirement).is_ok();
        let level = if is_full {
            LandlockLevel::Full
        } else {
            LandlockLevel::Partial
        };
        Some(FileRules { ruleset, level })
    }

    fn ruleset(self) -> Result<Option<OwnedFd>, RulesetError> {
        let mut created = handled(CompatLevel::BestEffort)?.create()?;
        for (fd, access) in self.0 {
            created = created.add_rule(PathBeneath::new(fd, access))?;
        }
        Ok(created.into())
    }
}

/// What a rule on this path may allow: the kernel takes no folder's rights for a file.
fn allowed_on(path: impl AsRef<Path>, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.as_ref().is_dir() {
        access
    } else {
        access & ON_FILES
    }
}

/// Everything the rules decide about: what they do not allow of it is denied.
fn handled(level: CompatLevel) -> Result<Ruleset, RulesetError> {
    Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(TESTED_ABI))?
        .handle_access(AccessNet::from_all(TESTED_ABI))?
        .scope(Scope::from_all(TESTED_ABI))
}
