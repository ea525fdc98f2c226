//! The HTTP API, one method a request.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::json;

use crate::Error;
use crate::api::{ArrivedPart, NewUpload, PartUrl, TimelineEvent, Upload, Video};
use crate::http::{Http, PartRefusal, Retry, Send};

/// Speaks to one CatTube as one user.
#[derive(Debug)]
pub struct Client {
    pub(crate) http: Http,
}

impl Client {
    /// A client of the API at `base_url`, with a bearer token.
    #[must_use]
    pub fn new(base_url: &str, token: &str, retry: Retry) -> Self {
        Self {
            http: Http::new(base_url, token, retry),
        }
    }

    /// How this client retries.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.http.retry
    }

    /// Asks for an upload. The same key gives the same upload again.
    ///
    /// # Errors
    /// [`Error::Problem`], [`Error::Transport`], [`Error::Answer`]; so for all requests.
    pub fn create_upload(&self, upload: &NewUpload, key: &str) -> Result<Upload, Error> {
        self.http.ask("/v1/uploads", Send::Create(upload, key))
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// As all requests; [`Error::Argument`] for what is no id.
    pub fn upload(&self, video_id: &str) -> Result<Upload, Error> {
        self.http.ask(&upload_path(video_id, "")?, Send::Get(&[]))
    }

    /// URLs for `count` parts from `first` on.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn part_urls(&self, video_id: &str, first: u32, count: u32) -> Result<Vec<PartUrl>, Error> {
        self.signed(video_id, first, count, "")
    }

    /// URLs for `count` parts from `first` on that have not arrived in full.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn missing_part_urls(
        &self,
        video_id: &str,
        first: u32,
        count: u32,
    ) -> Result<Vec<PartUrl>, Error> {
        self.signed(video_id, first, count, "true")
    }

    fn signed(
        &self,
        video_id: &str,
        first: u32,
        count: u32,
        missing: &str,
    ) -> Result<Vec<PartUrl>, Error> {
        #[derive(Deserialize)]
        struct Page {
            parts: Vec<PartUrl>,
        }
        let (first, count) = (first.to_string(), count.to_string());
        let query = [
            ("first", first.as_str()),
            ("count", count.as_str()),
            ("missing", missing),
        ];
        let path = upload_path(video_id, "/part-urls")?;
        let page: Page = self.http.ask(&path, Send::Get(&query))?;
        Ok(page.parts)
    }

    /// All parts that have arrived.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn arrived_parts(&self, video_id: &str) -> Result<Vec<ArrivedPart>, Error> {
        #[derive(Deserialize)]
        struct Page {
            parts: Vec<ArrivedPart>,
            next_after: Option<u32>,
        }
        let path = upload_path(video_id, "/parts")?;
        let mut all = Vec::new();
        let mut after = Some(0);
        while let Some(number) = after {
            let number_text = number.to_string();
            let page: Page = self
                .http
                .ask(&path, Send::Get(&[("after", &number_text)]))?;
            all.extend(page.parts);
            after = page.next_after.filter(|next| *next > number);
        }
        Ok(all)
    }

    /// Says that all parts are there.
    ///
    /// # Errors
    /// As [`Client::upload`]; a problem of status 409 names the missing parts.
    pub fn complete_upload(&self, video_id: &str) -> Result<(), Error> {
        let path = upload_path(video_id, "/complete")?;
        self.http.request(&path, Send::Post).map(drop)
    }

    /// Says that all parts are there, and what their MD5s are, by their numbers.
    ///
    /// # Errors
    /// As [`Client::upload`]; a problem of status 409 names the parts that are missing or not
    /// as they were sent.
    pub fn complete_checked_upload(
        &self,
        video_id: &str,
        md5s: &BTreeMap<u32, String>,
    ) -> Result<(), Error> {
        let part = |(number, md5)| json!({ "number": number, "md5": md5 });
        let parts: Vec<_> = md5s.iter().map(part).collect();
        let path = upload_path(video_id, "/complete")?;
        let body = json!({ "parts": parts });
        self.http.request(&path, Send::Tell(&body)).map(drop)
    }

    /// Says that a part cannot be sent in this attempt, so that the missing parts are granted
    /// afresh.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn report_failed_part(
        &self,
        video_id: &str,
        number: u32,
        attempt: u32,
        reason: &str,
    ) -> Result<(), Error> {
        let path = upload_path(video_id, &format!("/parts/{number}/failed"))?;
        let body = json!({ "reason": reason, "attempt": attempt });
        self.http.request(&path, Send::Tell(&body)).map(drop)
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn cancel_upload(&self, video_id: &str) -> Result<(), Error> {
        let path = upload_path(video_id, "")?;
        self.http.request(&path, Send::Delete).map(drop)
    }

    /// The newest videos, `limit` at most.
    ///
    /// # Errors
    /// As all requests.
    pub fn videos(&self, limit: usize) -> Result<Vec<Video>, Error> {
        #[derive(Deserialize)]
        struct Page {
            videos: Vec<Video>,
            next_cursor: Option<String>,
        }
        let mut all = Vec::new();
        let mut cursor = Some(String::new());
        while let Some(at) = cursor.filter(|_| all.len() < limit) {
            let page_limit = limit.saturating_sub(all.len()).min(100).to_string();
            let query = [("limit", page_limit.as_str()), ("cursor", at.as_str())];
            let page: Page = self.http.ask("/v1/videos", Send::Get(&query))?;
            all.extend(page.videos);
            cursor = page.next_cursor.filter(|next| *next != at);
        }
        all.truncate(limit);
        Ok(all)
    }

    /// A video, or `None` if the catalogue has none of that id (yet).
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn video(&self, video_id: &str) -> Result<Option<Video>, Error> {
        match self.http.ask(&video_path(video_id, "")?, Send::Get(&[])) {
            Ok(video) => Ok(Some(video)),
            Err(Error::Problem { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every event of a video.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn timeline(&self, video_id: &str) -> Result<Vec<TimelineEvent>, Error> {
        #[derive(Deserialize)]
        struct Page {
            events: Vec<TimelineEvent>,
            next_cursor: Option<String>,
        }
        let path = video_path(video_id, "/timeline")?;
        let mut all = Vec::new();
        let mut cursor = Some(String::new());
        while let Some(at) = cursor {
            let page: Page = self.http.ask(&path, Send::Get(&[("cursor", &at)]))?;
            all.extend(page.events);
            cursor = page.next_cursor.filter(|next| *next != at);
        }
        Ok(all)
    }

    /// Deletes a video.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn delete_video(&self, video_id: &str) -> Result<(), Error> {
        let path = video_path(video_id, "")?;
        self.http.request(&path, Send::Delete).map(drop)
    }

    /// Puts one part, once.
    pub(crate) fn put_part(
        &self,
        url: &str,
        body: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<(), PartRefusal> {
        self.http.put_part(url, body, size_bytes)
    }
}

fn upload_path(video_id: &str, rest: &str) -> Result<String, Error> {
    Ok(format!("/v1/uploads/{}{rest}", checked(video_id)?))
}

fn video_path(video_id: &str, rest: &str) -> Result<String, Error> {
    Ok(format!("/v1/videos/{}{rest}", checked(video_id)?))
}

/// An id that changes no path.
pub(crate) fn checked(video_id: &str) -> Result<&str, Error> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !video_id.is_empty() && video_id.bytes().all(fits) {
        return Ok(video_id);
    }
    Err(Error::Argument {
        got: video_id.to_owned(),
        expected: "a video id such as vid_0192…",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_change_the_path() {
        assert!(video_path("vid_01", "").is_ok());
        for id in ["", "../x", "a/b", "a?b", "a b"] {
            assert!(video_path(id, "").is_err(), "{id}");
        }
    }
}
