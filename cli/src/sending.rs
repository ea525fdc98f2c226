//! An open upload on its way: what is missing is sent, what fails is reported, and it goes on
//! when the missing parts are granted afresh.

use std::fs::Metadata;
use std::thread::sleep;
use std::time::Instant;

use crate::api::{Upload, UploadState};
use crate::digests::Digests;
use crate::parts::Parts;
use crate::progress::Progress;
use crate::sender::Sender;
use crate::upload::{Job, changed, facts};
use crate::{Client, Error};

/// How often a completion may name missing parts before that is an error.
const COMPLETION_ROUNDS: u32 = 3;

/// Sends what is missing until all is there and said to be so. A part that cannot be sent is
/// reported, and the missing parts go on when they are granted afresh.
struct Sending<'a> {
    client: &'a Client,
    job: &'a Job<'a>,
    file: &'a Metadata,
    parts: Parts,
    digests: Digests,
    progress: &'a dyn Progress,
}

pub(crate) fn send_open(
    client: &Client,
    job: &Job,
    upload: &Upload,
    file: &Metadata,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let (granted, size) = (upload.size_bytes, file.len());
    if granted != size {
        let reason = format!("has {size} bytes, and the upload is for {granted}");
        return Err(other_file(job, reason));
    }
    let parts = Parts::of(upload).ok_or_else(|| Error::Answer {
        request: format!("upload {}", upload.video_id),
        reason: "size, part size and part count do not fit".to_owned(),
    })?;
    let sending = Sending {
        client,
        job,
        file,
        parts,
        digests: Digests::default(),
        progress,
    };
    sending.run(upload)
}

fn other_file(job: &Job, reason: String) -> Error {
    Error::OtherFile {
        path: job.path.to_owned(),
        reason,
    }
}

impl Sending<'_> {
    fn run(&self, upload: &Upload) -> Result<(), Error> {
        let mut upload = upload.clone();
        let mut missing = self.begin(&upload)?;
        let mut rounds = 0;
        while rounds < COMPLETION_ROUNDS {
            match self.send(&upload, &missing) {
                Err(Error::Part {
                    number,
                    tries,
                    reason,
                }) => {
                    upload = self.recover(&upload, number, tries, reason)?;
                    if upload.state == UploadState::Completed {
                        break;
                    }
                    missing = self.begin(&upload)?;
                    continue;
                }
                result => result?,
            }
            if changed(self.file, &facts(self.job.path)?) {
                let reason = "was changed while it was sent".to_owned();
                return Err(other_file(self.job, reason));
            }
            missing = self.complete(&upload)?;
            if missing.is_empty() {
                break;
            }
            rounds += 1;
        }
        if rounds < COMPLETION_ROUNDS {
            self.progress.uploaded();
            return Ok(());
        }
        Err(Error::Upload {
            video_id: upload.video_id,
            reason: "lacks parts again and again".to_owned(),
        })
    }

    /// What is missing; says what is not.
    fn begin(&self, upload: &Upload) -> Result<Vec<u32>, Error> {
        let arrived = self.client.arrived_parts(&upload.video_id)?;
        let missing = self.parts.missing(&arrived);
        let count = usize::try_from(upload.part_count).unwrap_or(usize::MAX);
        let there = count.saturating_sub(missing.len());
        if there > 0 {
            let note = format!("{there} of {count} parts are there already");
            self.progress.note(&note);
        }
        let size = upload.size_bytes;
        let there = size.saturating_sub(self.parts.total_of(&missing));
        self.progress.begin(size, there);
        Ok(missing)
    }

    fn send(&self, upload: &Upload, missing: &[u32]) -> Result<(), Error> {
        let count = usize::try_from(upload.part_count).unwrap_or(usize::MAX);
        let sender = Sender::new(
            self.client,
            &upload.video_id,
            self.job.path,
            (self.parts, &self.digests),
            missing.len() < count,
            self.progress,
        );
        sender.send(missing, self.job.parallel)
    }

    /// Says that all is there; gives the parts that are not, or not as they were sent.
    fn complete(&self, upload: &Upload) -> Result<Vec<u32>, Error> {
        let path = self.job.path;
        let md5s = self.digests.of_all(path, self.parts);
        let md5s = md5s.map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        match self.client.complete_checked_upload(&upload.video_id, &md5s) {
            Err(Error::Problem {
                status: 409,
                missing,
                ..
            }) if !self.parts.known(&missing).is_empty() => {
                let missing = self.parts.known(&missing);
                self.progress.unsent(self.parts.total_of(&missing));
                let count = missing.len();
                let note = format!("{count} parts did not arrive as they were sent");
                self.progress.note(&note);
                Ok(missing)
            }
            result => result.map(|()| Vec::new()),
        }
    }

    /// Reports a part that cannot be sent, and waits until the upload may go on. If it cannot
    /// be reported, the part's error stands.
    fn recover(
        &self,
        upload: &Upload,
        number: u32,
        tries: u32,
        reason: String,
    ) -> Result<Upload, Error> {
        let note = format!("part {number} could not be sent ({reason}); waiting to go on");
        self.progress.note(&note);
        let reported =
            self.client
                .report_failed_part(&upload.video_id, number, upload.attempt, &reason);
        match reported {
            // The upload has ended; the next look tells how.
            Ok(()) | Err(Error::Problem { status: 409, .. }) => {}
            Err(_) => {
                return Err(Error::Part {
                    number,
                    tries,
                    reason,
                });
            }
        }
        let fresh = grant_after(self.client, upload)?;
        let note = format!("attempt {} begins", fresh.attempt);
        self.progress.note(&note);
        Ok(fresh)
    }
}

/// Waits for the attempt that follows a failed one.
fn grant_after(client: &Client, failed: &Upload) -> Result<Upload, Error> {
    let start = Instant::now();
    let mut looks = 1;
    loop {
        sleep(client.retry().pause_after(looks));
        looks = looks.saturating_add(1);
        let upload = client.upload(&failed.video_id)?;
        let goes_on = match upload.state {
            UploadState::Open => upload.attempt > failed.attempt,
            UploadState::Completed => true,
            UploadState::Cancelled | UploadState::Abandoned => return Err(ended(upload)),
        };
        if goes_on {
            return Ok(upload);
        }
        if start.elapsed() >= client.retry().patience() {
            return Err(Error::Patience {
                video_id: upload.video_id,
                reason: "may not go on with its upload",
                seconds: start.elapsed().as_secs(),
            });
        }
    }
}

/// Why an upload takes no more parts.
pub(crate) fn ended(upload: Upload) -> Error {
    let how = match upload.state {
        UploadState::Open | UploadState::Completed => "has ended",
        UploadState::Cancelled => "was cancelled",
        UploadState::Abandoned => "was given up",
    };
    let why = upload.reason.map(|reason| format!(" ({reason})"));
    Error::Upload {
        video_id: upload.video_id,
        reason: format!("{how}{}; --again begins a new one", why.unwrap_or_default()),
    }
}
