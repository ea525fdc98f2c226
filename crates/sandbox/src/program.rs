//! Where the program is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};

use crate::SandboxError;

/// The permission bits of which one must be set for a file to be executable at all.
const ANY_EXECUTE: u32 = 0o111;

/// The program's absolute path: a name without a slash is looked up in `search_path` (the
/// parent's `PATH`, as the child has none), all else is taken from the current directory.
pub(crate) fn resolve(
    program: &Path,
    search_path: Option<&OsStr>,
) -> Result<PathBuf, SandboxError> {
    let found = if program.as_os_str().as_bytes().contains(&b'/') {
        program.to_path_buf()
    } else {
        std::env::split_paths(search_path.unwrap_or_default())
            .map(|folder| folder.join(program))
            .find(|candidate| is_executable(candidate))
            .ok_or_else(|| SandboxError::FindProgram {
                program: program.to_path_buf(),
            })?
    };
    absolute(&found).map_err(|source| SandboxError::ResolvePath {
        path: found,
        source,
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & ANY_EXECUTE != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};

    use super::*;

    #[test]
    fn a_bare_name_is_the_first_executable_file_on_the_path() {
        let root = tempfile::tempdir().unwrap();
        let folders =
            ["none", "a_folder", "plain_file", "right", "late"].map(|n| root.path().join(n));
        for folder in &folders {
            create_dir(folder).unwrap();
        }
        create_dir(folders[1].join("tool")).unwrap();
        for (folder, mode) in [(2, 0o644), (3, 0o755), (4, 0o755)] {
            let file = folders[folder].join("tool");
            write(&file, "").unwrap();
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
        let search_path = std::env::join_paths(&folders).unwrap();
        let found = resolve(Path::new("tool"), Some(&search_path)).unwrap();
        assert_eq!(found, folders[3].join("tool"));
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        for search_path in [None, Some(OsStr::new("/nonexistent"))] {
            let found = resolve(Path::new("tool"), search_path);
            assert!(
                matches!(found, Err(SandboxError::FindProgram { .. })),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_path_is_not_looked_up() {
        let found = resolve(Path::new("./tool"), Some(OsStr::new("/usr/bin"))).unwrap();
        assert_eq!(found, std::env::current_dir().unwrap().join("tool"));
    }
}
