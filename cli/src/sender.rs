//! Parts on their way: several at a time, each tried several times.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};

use md5::{Digest, Md5};

use crate::digests::{Digests, hex};
use crate::http::PartRefusal;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::{Client, Error};

/// How many URLs are asked for at once.
const URL_COUNT: u32 = 100;

pub(crate) struct Sender<'a> {
    client: &'a Client,
    video_id: &'a str,
    path: &'a Path,
    parts: Parts,
    progress: &'a dyn Progress,
    digests: &'a Digests,
    /// Whether the store is asked for URLs of missing parts only.
    missing_only: bool,
    urls: Mutex<BTreeMap<u32, String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Sender<'a> {
    pub(crate) fn new(
        client: &'a Client,
        video_id: &'a str,
        path: &'a Path,
        (parts, digests): (Parts, &'a Digests),
        missing_only: bool,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            client,
            video_id,
            path,
            parts,
            progress,
            digests,
            missing_only,
            urls: Mutex::default(),
        }
    }

    /// Sends parts with `parallel` threads; the first part that cannot be sent ends all.
    pub(crate) fn send(&self, numbers: &[u32], parallel: usize) -> Result<(), Error> {
        let waiting: Mutex<VecDeque<u32>> = Mutex::new(numbers.iter().copied().collect());
        let failure = Mutex::new(None);
        let work = || {
            loop {
                let next = locked(&waiting).pop_front();
                let Some(number) = next else {
                    return;
                };
                if let Err(error) = self.send_part(number) {
                    locked(&waiting).clear();
                    locked(&failure).get_or_insert(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..parallel.clamp(1, numbers.len().max(1)) {
                scope.spawn(work);
            }
        });
        let failure = failure.into_inner();
        match failure.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn send_part(&self, number: u32) -> Result<(), Error> {
        let retry = self.client.retry();
        let mut last = String::new();
        for attempt in 1..=retry.tries {
            let url = self.url(number)?;
            let (refusal, pause) = match self.put(number, &url)? {
                Ok(()) => return Ok(()),
                // The upload that the URL is for has ended; there may be a newer one.
                Err(PartRefusal::Gone) => {
                    return Err(Error::Part {
                        number,
                        tries: attempt,
                        reason: "the store knows its upload no more".to_owned(),
                    });
                }
                Err(PartRefusal::Expired(reason)) => {
                    locked(&self.urls).clear();
                    (reason, attempt > 1)
                }
                Err(PartRefusal::Passing(reason)) => {
                    // A store that ends the connection may mean the URL by it.
                    locked(&self.urls).remove(&number);
                    (reason, true)
                }
            };
            last = refusal;
            if pause && attempt < retry.tries {
                sleep(retry.pause_after(attempt));
            }
        }
        Err(Error::Part {
            number,
            tries: retry.tries,
            reason: last,
        })
    }

    /// The URL of a part; asks for it and its followers if need be.
    fn url(&self, number: u32) -> Result<String, Error> {
        let mut urls = locked(&self.urls);
        if let Some(url) = urls.get(&number) {
            return Ok(url.clone());
        }
        if self.missing_only {
            let missing = self
                .client
                .missing_part_urls(self.video_id, number, URL_COUNT)?;
            urls.extend(missing.into_iter().map(|part| (part.number, part.url)));
        }
        // A damaged part is not missing for the store.
        if !urls.contains_key(&number) {
            let count = if self.missing_only { 1 } else { URL_COUNT };
            let granted = self.client.part_urls(self.video_id, number, count)?;
            urls.extend(granted.into_iter().map(|part| (part.number, part.url)));
        }
        urls.get(&number).cloned().ok_or_else(|| Error::Answer {
            request: format!("URL of part {number}"),
            reason: "it is not among those that came".to_owned(),
        })
    }

    /// One try. The outer error is the file's.
    fn put(&self, number: u32, url: &str) -> Result<Result<(), PartRefusal>, Error> {
        let fail = |source| Error::File {
            path: self.path.to_owned(),
            source,
        };
        let range = self.parts.range(number);
        let mut file = File::open(self.path).map_err(fail)?;
        file.seek(SeekFrom::Start(range.start)).map_err(fail)?;
        let mut body = Body {
            file,
            left_bytes: self.parts.size_of(number),
            read_bytes: 0,
            failure: None,
            digest: Md5::new(),
            progress: self.progress,
        };
        let size_bytes = body.left_bytes;
        let result = self.client.put_part(url, &mut body, size_bytes);
        if result.is_err() {
            self.progress.unsent(body.read_bytes);
        } else {
            self.digests.note(number, hex(body.digest));
        }
        match body.failure {
            Some(error) => Err(fail(error)),
            None => Ok(result),
        }
    }
}

/// A part's bytes, counted as they leave.
struct Body<'a> {
    file: File,
    left_bytes: u64,
    read_bytes: u64,
    failure: Option<io::Error>,
    digest: Md5,
    progress: &'a dyn Progress,
}

impl Body<'_> {
    fn read_file(&mut self, buffer: &mut [u8]) -> io::Result<u64> {
        let wanted = usize::try_from(self.left_bytes).unwrap_or(usize::MAX);
        let length = buffer.len().min(wanted);
        let Some(buffer) = buffer.get_mut(..length).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        match self.file.read(buffer)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter",
            )),
            count => {
                self.digest.update(buffer.get(..count).unwrap_or_default());
                Ok(u64::try_from(count).unwrap_or(u64::MAX))
            }
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.read_file(buffer) {
            Ok(count) => {
                self.left_bytes = self.left_bytes.saturating_sub(count);
                self.read_bytes = self.read_bytes.saturating_add(count);
                self.progress.sent(count);
                Ok(usize::try_from(count).unwrap_or(usize::MAX))
            }
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
        }
    }
}
