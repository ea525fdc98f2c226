//! What is asserted of every object that is served.

use bytes::Bytes;
use cattube_core::video::VideoState;

use crate::state::State;

impl State {
    /// An object is written.
    pub fn saw_put(&mut self, is_masters: bool, key: &str, bytes: &Bytes) {
        if is_masters {
            if key.contains("/reports/") {
                self.watch.reports.insert(key.to_owned());
            }
            return;
        }
        if key.ends_with(".m3u8") && !self.is_gone(key) {
            self.check_playlist(key, bytes);
        }
    }

    /// Whether a media object is of a video that is not served any more.
    fn is_gone(&self, key: &str) -> bool {
        let video = key.split('/').nth(2).and_then(|id| id.parse().ok());
        let is_given_up = video.is_some_and(|video| self.watch.given_up.contains(&video));
        let state = video.and_then(|video| self.state_of(video));
        is_given_up || matches!(state, Some(VideoState::Deleted | VideoState::Abandoned))
    }

    /// Everything that a playlist names is there.
    pub fn check_playlist(&mut self, key: &str, bytes: &Bytes) {
        let text = String::from_utf8_lossy(bytes);
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        let uris = text.lines().filter_map(|line| {
            if line.starts_with('#') {
                let (_, rest) = line.split_once("URI=\"")?;
                return rest.split('"').next();
            }
            (!line.is_empty()).then_some(line)
        });
        let missing = uris
            .map(|uri| format!("{folder}/{uri}"))
            .find(|file| !self.media.objects.contains_key(file));
        if let Some(file) = missing {
            self.violate(5, || format!("{key} names {file}, which is not there"));
        }
    }
}
