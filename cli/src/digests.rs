//! MD5s of parts: what a store calls a part's tag, by which a part that was damaged on its
//! way is found.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::{Digest, Md5};

use crate::parts::Parts;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// The MD5s of a file's parts, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<BTreeMap<u32, String>>);

/// The MD5 of bytes in lower-case hex.
pub(crate) fn hex(digest: Md5) -> String {
    let mut text = String::new();
    for byte in digest.finalize() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Digests {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<u32, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a part that was sent.
    pub(crate) fn note(&self, number: u32, md5: String) {
        self.locked().insert(number, md5);
    }

    /// All of them; reads the parts that were not sent by this process.
    pub(crate) fn of_all(&self, path: &Path, parts: Parts) -> io::Result<BTreeMap<u32, String>> {
        let mut known = self.locked();
        for number in parts.numbers() {
            if let Entry::Vacant(unknown) = known.entry(number) {
                unknown.insert(read(path, parts, number)?);
            }
        }
        Ok(known.clone())
    }
}

fn read(path: &Path, parts: Parts, number: u32) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(parts.range(number).start))?;
    let mut part = file.take(parts.size_of(number));
    let mut digest = Md5::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = part.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex(digest));
        }
        digest.update(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Upload, UploadState};

    #[test]
    fn parts_that_were_not_sent_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        std::fs::write(&path, "abcabx").unwrap();
        let upload = Upload {
            video_id: "vid".to_owned(),
            state: UploadState::Open,
            size_bytes: 6,
            part_size_bytes: 3,
            part_count: 2,
            attempt: 1,
            reason: None,
        };
        let digests = Digests::default();
        digests.note(2, "as sent".to_owned());
        let all = digests.of_all(&path, Parts::of(&upload).unwrap()).unwrap();
        assert_eq!(all[&1], "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(all[&2], "as sent");
    }
}
