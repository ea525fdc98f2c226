//! What is asserted when a run has come to rest.

use std::collections::BTreeSet;

use cattube_contract::key::{MasterKey, media_prefix, work_prefix};
use cattube_contract::{Event, VideoId};
use cattube_core::video::{Video, VideoState};

use crate::state::{QueueName, State, Who};
use crate::watch::Accepted;

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Ready,
    Rejected,
    Abandoned,
    Deleted,
    /// A person was asked and has not answered.
    Waiting,
}

/// How many there are.
pub const END_COUNT: usize = 5;

impl State {
    /// Judges what is left; gives how each upload ended.
    pub fn judge_end(&mut self) -> Vec<End> {
        self.judge_queues();
        self.judge_poison();
        let accepted: Vec<_> = self.watch.accepted.clone().into_iter().collect();
        let mut ends = Vec::new();
        for (video, accepted) in accepted {
            ends.extend(self.judge_video(video, &accepted));
        }
        ends
    }

    fn judge_queues(&mut self) {
        let left = self
            .queues
            .all()
            .find(|(id, held)| id.name != QueueName::Parked && !held.messages.is_empty());
        if let Some((id, held)) = left {
            let text = format!("{} messages are left in {id:?}", held.messages.len());
            self.violate(9, || text);
        }
    }

    /// Every message that was none of ours was told of.
    fn judge_poison(&mut self) {
        let poison = std::mem::take(&mut self.poison);
        for (to, digest) in poison {
            let told = self.watch.history.iter().any(|envelope| {
                matches!(&envelope.event, Event::MessageBuried(buried) if buried.body_sha256 == digest)
            });
            if !told {
                self.violate(9, || format!("nobody was told of the poison in {to:?}"));
            }
        }
    }

    fn record(&self, video: VideoId, accepted: &Accepted) -> Option<Video> {
        let items = self
            .tables
            .of(Who::Manage)
            .get(&accepted.owner.to_string())?;
        serde_json::from_value(items.get(&video.to_string())?.body.clone()).ok()
    }

    fn judge_video(&mut self, video: VideoId, accepted: &Accepted) -> Option<End> {
        let Some(record) = self.record(video, accepted) else {
            if self.is_asked(video) {
                return Some(End::Waiting);
            }
            self.violate(15, || format!("{video} is not in the catalogue"));
            return None;
        };
        if self.watch.deleted.contains(&video) && record.state != VideoState::Deleted {
            let state = record.state;
            self.violate(11, || format!("{video} was deleted and is {state:?}"));
        }
        match record.state {
            VideoState::Ready => {
                self.judge_served(video, accepted, &record);
                let ready = record.ready.as_ref().map_or(0, |ready| ready.generation);
                let newest = record.generation;
                let is_newest = ready == newest
                    || self.has_ended(video, newest)
                    || !self.was_begun(video, newest);
                if is_newest {
                    return Some(End::Ready);
                }
                if !self.is_asked(video) {
                    self.violate(1, || {
                        format!("{video} is ready in {ready}, and {newest} stays")
                    });
                }
                Some(End::Waiting)
            }
            VideoState::Rejected => Some(End::Rejected),
            VideoState::Abandoned => {
                self.judge_gone(video, accepted, &record);
                Some(End::Abandoned)
            }
            VideoState::Deleted => {
                self.judge_gone(video, accepted, &record);
                Some(End::Deleted)
            }
            state => {
                if self.is_asked(video) {
                    return Some(End::Waiting);
                }
                self.violate(1, || format!("{video} stays {state:?}"));
                None
            }
        }
    }

    /// Whether a making was given up.
    fn has_ended(&self, video: VideoId, generation: u32) -> bool {
        self.watch.history.iter().any(|envelope| {
            let given_up = match &envelope.event {
                Event::VideoAbandoned(abandoned) => abandoned.generation == generation,
                Event::VideoRejected(_) => true,
                _ => false,
            };
            envelope.metadata.video_id == video && given_up
        })
    }

    /// Whether a new making was ever said. Whoever asked for one that was not was told that it
    /// failed, and may ask again.
    fn was_begun(&self, video: VideoId, generation: u32) -> bool {
        self.watch.history.iter().any(|envelope| {
            let begun = match &envelope.event {
                Event::RetryRequested(requested) => requested.generation == generation,
                _ => false,
            };
            envelope.metadata.video_id == video && begun
        })
    }

    /// What stands, for a comparison: states, keys, and how many tickets are open.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let accepted = self.watch.accepted.iter();
        let states = accepted.map(|(video, accepted)| {
            let record = self.record(*video, accepted);
            // Its newest generation may be told by an event that the bus lost at first.
            let served = |record: &Video| record.ready.as_ref().map(|ready| ready.generation);
            format!(
                "{video} {:?}",
                record.map(|record| (record.state, served(&record)))
            )
        });
        // Of a file whose every event was lost nobody knew: it goes when it is heard of.
        let unknown = self.watch.accepted.iter().filter_map(|(video, accepted)| {
            let record = self.record(*video, accepted)?;
            let is_unknown = record.state == VideoState::Deleted && record.master_key.is_none();
            accepted.drop_key.clone().filter(|_| is_unknown)
        });
        let unknown: BTreeSet<String> = unknown.collect();
        let keys = self.media.objects.keys().chain(self.masters.objects.keys());
        let keys = keys.filter(|key| !unknown.contains(*key));
        states.chain(keys.cloned()).collect()
    }

    /// Whether a person is asked about any video and has not answered.
    #[must_use]
    pub fn is_anybody_asked(&self) -> bool {
        let mut videos = self.watch.accepted.keys();
        videos.any(|video| self.is_asked(*video))
    }

    /// Whether a person is asked about a video and has not answered. A message that nobody
    /// could handle may be about any video.
    fn is_asked(&self, video: VideoId) -> bool {
        if !self.queues.parked().messages.is_empty() {
            return true;
        }
        let video = video.to_string();
        let tickets = self.tables.of(Who::Notify).iter();
        let mut tickets = tickets
            .filter(|(partition, _)| partition.starts_with("tkt_"))
            .filter_map(|(_, items)| items.get("ticket"))
            .map(|item| &item.body);
        tickets.any(|ticket| {
            let concerns = ticket["video_id"] == video || ticket["cause"]["kind"] == "message";
            ticket["state"] == "open" && concerns
        })
    }

    fn judge_served(&mut self, video: VideoId, accepted: &Accepted, record: &Video) {
        let Some(ready) = &record.ready else {
            self.violate(4, || format!("{video} is ready without a making"));
            return;
        };
        let prefix = media_prefix(accepted.owner, video);
        let playlists: Vec<_> = self
            .media
            .keys(&prefix)
            .filter(|key| key.ends_with(".m3u8"))
            .cloned()
            .collect();
        if !playlists.contains(&ready.hls_key) {
            let key = ready.hls_key.clone();
            self.violate(5, || format!("{key} is not there"));
        }
        for key in playlists {
            if let Some(stored) = self.media.objects.get(&key) {
                let bytes = stored.bytes.clone();
                let is_final = !key.ends_with("playlist.m3u8")
                    || bytes.windows(14).any(|window| window == b"#EXT-X-ENDLIST");
                let is_served = key.contains(&format!("/g{}/", ready.generation));
                if is_served && !is_final {
                    self.violate(5, || format!("{key} of a ready video is not final"));
                }
                self.check_playlist(&key, &bytes);
            }
        }
    }

    fn judge_gone(&mut self, video: VideoId, accepted: &Accepted, record: &Video) {
        let media = media_prefix(accepted.owner, video);
        let work = work_prefix(accepted.owner, video);
        let master = MasterKey::Uploaded {
            owner_id: accepted.owner,
            video_id: video,
        };
        let master = master.to_string();
        // Of a file whose every event was lost nobody knows.
        let dropped = accepted
            .drop_key
            .clone()
            .filter(|_| record.master_key.is_some());
        let masters = self.masters.objects.keys();
        let mut found = masters
            .filter(|key| {
                key.starts_with(&work) || **key == master || Some(*key) == dropped.as_ref()
            })
            .chain(self.media.keys(&media));
        let left = found.next().cloned();
        drop(found);
        // Parts of an upload that nobody remembers go by the bucket's lifecycle.
        let uploads = self.tables.of(Who::Upload).get(&accepted.owner.to_string());
        let upload = uploads.and_then(|items| items.get(&format!("upload#{video}")));
        let open = upload
            .and_then(|item| item.body["store_upload"].as_str())
            .is_some_and(|upload| self.masters.uploads.contains_key(upload));
        if let Some(key) = left {
            let state = record.state;
            self.violate(11, || format!("{video} is {state:?}, and {key} is left"));
        }
        if open {
            self.violate(11, || format!("the parts of {video} are left"));
        }
    }
}
