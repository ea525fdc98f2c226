//! The lines of `framecrc`.

use std::str::FromStr;

use cattube_contract::media::Rational;

use super::MAX_LINES;
use crate::container::rate;

/// ffmpeg's "no time is known".
const NO_TIME: i64 = i64::MIN;

/// What the text says of one stream.
pub(super) struct Stream {
    pub(super) kind: String,
    pub(super) codec: String,
    pub(super) timescale: u32,
    /// Ticks in a unit of ffmpeg's times: 1001 where its time base is 1001/30000.
    unit_ticks: i64,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) pixel_aspect: Rational,
    pub(super) sample_rate_hz: u32,
    /// Of the packets: presentation times, or decode times where those are not known;
    /// rising.
    pub(super) times: Vec<i64>,
}

impl Stream {
    fn new() -> Self {
        Self {
            kind: String::new(),
            codec: String::new(),
            timescale: 0,
            unit_ticks: 1,
            width_px: 0,
            height_px: 0,
            pixel_aspect: Rational { num: 1, den: 1 },
            sample_rate_hz: 0,
            times: Vec::new(),
        }
    }

    /// The first time, in ticks, and ticks a second.
    pub(super) fn first(&self) -> Option<(i64, u32)> {
        self.times.first().map(|time| (*time, self.timescale))
    }

    /// Takes a line like `#tb 0: 1/90000`, as its name and value.
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "media_type" => value.clone_into(&mut self.kind),
            "codec_id" => value.clone_into(&mut self.codec),
            "tb" => {
                if let Some((num, den @ 1..)) = pair::<u32>(value, '/') {
                    let (timescale, refined_by) = rate::refined(den);
                    self.timescale = timescale;
                    self.unit_ticks = i64::from(num).saturating_mul(i64::from(refined_by));
                }
            }
            "dimensions" => {
                if let Some((width, height)) = pair(value, 'x') {
                    (self.width_px, self.height_px) = (width, height);
                }
            }
            "sar" => {
                if let Some((num @ 1.., den @ 1..)) = pair(value, '/') {
                    self.pixel_aspect = Rational { num, den };
                }
            }
            "sample_rate" => self.sample_rate_hz = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

/// What the text says of both streams: 0 is the picture, as mapped, 1 the sound.
pub(super) struct Said {
    streams: [Stream; 2],
}

impl Said {
    pub(super) fn read(text: &str) -> Self {
        let mut said = Self {
            streams: [Stream::new(), Stream::new()],
        };
        // Decode times, for streams of which some presentation times are not known.
        let mut dts = [Vec::new(), Vec::new()];
        let mut lacks_pts = [false, false];
        for line in text.lines().take(MAX_LINES) {
            if let Some(header) = line.strip_prefix('#') {
                said.header(header);
            } else if let Some((place, time, pts)) = packet(line)
                && let Some(stream) = said.streams.get_mut(place)
                && let Some(dts) = dts.get_mut(place)
                && let Some(lacks) = lacks_pts.get_mut(place)
            {
                dts.push(time);
                stream.times.push(pts);
                *lacks |= pts == NO_TIME;
            }
        }
        for ((stream, dts), lacks_pts) in said.streams.iter_mut().zip(dts).zip(lacks_pts) {
            if lacks_pts {
                stream.times = dts;
            }
            stream.times.retain(|time| *time != NO_TIME);
            for time in &mut stream.times {
                *time = time.saturating_mul(stream.unit_ticks);
            }
            stream.times.sort_unstable();
        }
        said
    }

    fn header(&mut self, header: &str) {
        let Some((front, value)) = header.split_once(": ") else {
            return;
        };
        let Some((name, place)) = front.split_once(' ') else {
            return;
        };
        let place = place.parse::<usize>().ok();
        if let Some(stream) = place.and_then(|place| self.streams.get_mut(place)) {
            stream.take(name, value.trim());
        }
    }

    /// The stream of that kind, if it has a clock.
    pub(super) fn stream(&self, kind: &str) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.kind == kind && stream.timescale > 0)
    }
}

/// Stream, decode time and presentation time of a line like
/// `0,     126000,     132000,     3000,     6327, 0x9a0ce03d`.
fn packet(line: &str) -> Option<(usize, i64, i64)> {
    let mut fields = line.split(',').map(str::trim);
    let place = fields.next()?.parse().ok()?;
    let dts = fields.next()?.parse().ok()?;
    let pts = fields.next()?.parse().ok()?;
    Some((place, dts, pts))
}

fn pair<T: FromStr>(value: &str, between: char) -> Option<(T, T)> {
    let (first, second) = value.split_once(between)?;
    Some((first.trim().parse().ok()?, second.trim().parse().ok()?))
}
