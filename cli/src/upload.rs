//! Sending a file: ask, send what is missing, complete.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::api::{NewUpload, Sizes, UploadState};
use crate::progress::Progress;
use crate::sending::{ended, send_open};
use crate::{Client, Error};

/// Where an upload comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The upload of this very file, begun before or new.
    Continue,
    /// A new upload in any case.
    Again,
    /// The upload of this video.
    Resume(String),
}

/// What to send, and how.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The file.
    pub path: &'a Path,
    /// What to call the video; without, it is called as the file.
    pub title: Option<String>,
    /// The sizes to make.
    pub sizes: Sizes,
    /// Where the upload comes from.
    pub start: Start,
    /// How many parts to send at the same time.
    pub parallel: usize,
}

/// Sends a file, or what is missing of it, and completes the upload. Gives the video's id.
///
/// # Errors
/// Any [`Error`]. Whatever happened, sending again goes on where it ended.
pub fn send(client: &Client, job: &Job, progress: &dyn Progress) -> Result<String, Error> {
    let file = facts(job.path)?;
    let upload = match &job.start {
        Start::Resume(video_id) => client.upload(video_id)?,
        Start::Continue | Start::Again => {
            let request = request(job, file.len());
            let key = idempotency_key(job, &request, &file);
            client.create_upload(&request, &key)?
        }
    };
    progress.note(&format!("video {}", upload.video_id));
    match upload.state {
        UploadState::Completed => progress.note("this file was uploaded before"),
        UploadState::Cancelled | UploadState::Abandoned => return Err(ended(upload)),
        UploadState::Open => send_open(client, job, &upload, &file, progress)?,
    }
    Ok(upload.video_id)
}

pub(crate) fn facts(path: &Path) -> Result<Metadata, Error> {
    let fail = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let facts = fs::metadata(path).map_err(fail)?;
    if facts.is_file() {
        return Ok(facts);
    }
    Err(Error::OtherFile {
        path: path.to_owned(),
        reason: "is not a file".to_owned(),
    })
}

pub(crate) fn changed(before: &Metadata, after: &Metadata) -> bool {
    before.len() != after.len() || written_ns(before) != written_ns(after)
}

fn written_ns(file: &Metadata) -> u128 {
    file.modified().map_or(0, since_1970_ns)
}

fn since_1970_ns(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |span| span.as_nanos())
}

fn request(job: &Job, size_bytes: u64) -> NewUpload {
    let text = |name: Option<&OsStr>| name.map(|name| name.to_string_lossy().into_owned());
    let title = job.title.clone().or_else(|| text(job.path.file_stem()));
    let extension = text(job.path.extension()).unwrap_or_default();
    NewUpload {
        title: title.unwrap_or_default(),
        size_bytes,
        content_type: content_type(&extension.to_lowercase()).to_owned(),
        sizes: job.sizes.clone(),
    }
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        "ts" | "m2ts" => "video/mp2t",
        "avi" => "video/x-msvideo",
        _ => "application/octet-stream",
    }
}

/// The same for the same request about the same writing of the same file: running again goes
/// on instead of doubling.
fn idempotency_key(job: &Job, request: &NewUpload, file: &Metadata) -> String {
    let path = fs::canonicalize(job.path).unwrap_or_else(|_| job.path.to_owned());
    let salt = match job.start {
        Start::Again => since_1970_ns(SystemTime::now()),
        Start::Continue | Start::Resume(_) => 0,
    };
    let name = format!(
        "cattube upload\n{}\n{}\n{request:?}\n{salt}",
        path.display(),
        written_ns(file),
    );
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_key_is_the_same_until_the_file_or_the_wish_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Cat film.MOV");
        fs::write(&path, "meow").unwrap();
        let job = Job {
            path: &path,
            title: None,
            sizes: Sizes::Auto,
            start: Start::Continue,
            parallel: 1,
        };
        let key = |job: &Job| {
            let file = facts(job.path).unwrap();
            idempotency_key(job, &request(job, file.len()), &file)
        };
        let first = key(&job);
        assert_eq!(first, key(&job));
        let again = Job {
            start: Start::Again,
            ..job.clone()
        };
        assert_ne!(key(&again), first);
        let smaller = Job {
            sizes: Sizes::Listed(vec![480]),
            ..job.clone()
        };
        assert_ne!(key(&smaller), first);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1))
            .unwrap();
        assert_ne!(key(&job), first);
        let request = request(&job, 4);
        assert_eq!(
            (request.title.as_str(), request.content_type.as_str()),
            ("Cat film", "video/quicktime")
        );
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(facts(folder.path()).is_err());
        assert!(facts(&folder.path().join("none")).is_err());
    }
}
