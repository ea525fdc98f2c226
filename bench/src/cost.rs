//! What one hour of 4K in six sizes costs: measured work times list prices (us-east-1, in
//! dollars, without free tiers or discounts). Storage and delivery are not in it.

use anyhow::Result;

use crate::chunked::Sound;
use crate::report::{header, line, row};
use crate::uhd::Uhd;

/// The film.
pub const FILM_SECONDS: f64 = 3_600.0;
/// A chunk of sound (`cattube_core::chunking::AUDIO_CHUNK_SAMPLES`).
pub const SOUND_CHUNK_SECONDS: f64 = 64.0;

/// Lambda: memory with which a function has one vCPU, in GB as Lambda counts them.
const GB_PER_VCPU: f64 = 1_769.0 / 1_024.0;
/// Lambda on x86: dollars a GB-second.
const PER_GB_SECOND: f64 = 0.000_016_666_7;
/// Dollars a request: Lambda, SQS (a fair queue's surcharge with it), EventBridge, S3.
const PER_INVOCATION: f64 = 0.20e-6;
const PER_SQS_REQUEST: f64 = 0.40e-6;
const PER_FAIR_REQUEST: f64 = 0.50e-6;
const PER_EVENT: f64 = 1.00e-6;
const PER_PUT: f64 = 0.005e-3;
const PER_GET: f64 = 0.0004e-3;
/// DynamoDB on demand, dollars a write.
const PER_WRITE: f64 = 0.625e-6;

/// Assumed of `assemble` and `manage`, each: seconds an event and GB.
const EVENT_SECONDS: f64 = 0.1;
const ASSEMBLE_GB: f64 = 1_769.0 / 1_024.0;
const MANAGE_GB: f64 = 0.5;
/// Assumed of both together: writes an event.
const WRITES_PER_EVENT: f64 = 4.0;
/// Send, receive, delete.
const REQUESTS_PER_MESSAGE: f64 = 3.0;

/// A line of the bill.
#[derive(Debug)]
struct Item {
    what: &'static str,
    how_many: f64,
    price: f64,
    arithmetic: String,
}

/// How the film is cut.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Chunks of pictures.
    pub pictures: f64,
    /// Chunks of sound.
    pub sounds: f64,
    /// CPU seconds of ffmpeg for all pictures.
    pub picture_cpu: f64,
    /// The same for all sound.
    pub sound_cpu: f64,
}

/// The work of the whole film.
pub fn work(uhd: &Uhd, sound: &Sound) -> Work {
    Work {
        pictures: (FILM_SECONDS / uhd.chunk_seconds).ceil(),
        sounds: (FILM_SECONDS / SOUND_CHUNK_SECONDS).ceil(),
        picture_cpu: uhd.cpu_seconds * FILM_SECONDS,
        sound_cpu: sound.cpu_seconds * FILM_SECONDS,
    }
}

fn items(uhd: &Uhd, sound: &Sound) -> Vec<Item> {
    let work = work(uhd, sound);
    let chunks = work.pictures + work.sounds;
    let cpu = work.picture_cpu + work.sound_cpu;
    let mut items = vec![
        item(
            "Lambda, `transcode`, GB-s",
            cpu * GB_PER_VCPU,
            PER_GB_SECOND,
            format!(
                "3,600 s × ({:.2} + {:.3}) CPU s × 1,769/1,024 GB",
                uhd.cpu_seconds, sound.cpu_seconds
            ),
        ),
        item(
            "Lambda, `assemble` and `manage`, GB-s",
            chunks * EVENT_SECONDS * (ASSEMBLE_GB + MANAGE_GB),
            PER_GB_SECOND,
            format!("{chunks:.0} events × 0.1 s (assumed) × (1.73 + 0.5) GB"),
        ),
        item(
            "Lambda, invocations",
            chunks * 3.0,
            PER_INVOCATION,
            format!("{chunks:.0} × (transcode, assemble, manage)"),
        ),
    ];
    items.extend(requests(uhd, sound, work));
    items
}

fn item(what: &'static str, how_many: f64, price: f64, arithmetic: String) -> Item {
    Item {
        what,
        how_many,
        price,
        arithmetic,
    }
}

/// What is paid by the request.
fn requests(uhd: &Uhd, sound: &Sound, work: Work) -> Vec<Item> {
    let chunks = work.pictures + work.sounds;
    vec![
        item(
            "S3 PUT",
            work.pictures * uhd.puts + FILM_SECONDS * sound.puts,
            PER_PUT,
            format!(
                "{:.0} × {:.0} measured + sound 3,600 × {:.2}",
                work.pictures, uhd.puts, sound.puts
            ),
        ),
        item(
            "S3 GET",
            work.pictures * uhd.gets + FILM_SECONDS * sound.gets,
            PER_GET,
            format!(
                "{:.0} × {:.0} measured + sound 3,600 × {:.2}",
                work.pictures, uhd.gets, sound.gets
            ),
        ),
        item(
            "SQS, `chunks` (fair)",
            chunks * REQUESTS_PER_MESSAGE,
            PER_FAIR_REQUEST,
            format!("{chunks:.0} × (send, receive, delete), none batched"),
        ),
        item(
            "SQS, `assemble` and `manage`",
            chunks * 2.0 * REQUESTS_PER_MESSAGE,
            PER_SQS_REQUEST,
            format!("{chunks:.0} × 2 × 3"),
        ),
        item(
            "EventBridge, events",
            chunks + 5.0,
            PER_EVENT,
            format!("{chunks:.0} `ChunkTranscoded` + 5"),
        ),
        item(
            "DynamoDB, writes",
            chunks * WRITES_PER_EVENT,
            PER_WRITE,
            format!("{chunks:.0} × 4 (assumed)"),
        ),
    ]
}

/// What MediaConvert takes a minute of output, at up to 30 frames a second: 4K, HD, SD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates(pub f64, pub f64, pub f64);

impl Rates {
    /// Two sizes are of each kind: 2160 and 1440, 1080 and 720, 480 and 360.
    fn hour(self) -> f64 {
        60.0 * 2.0 * (self.0 + self.1 + self.2)
    }
}

impl std::str::FromStr for Rates {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let rates: Result<Vec<f64>, _> = text.split(',').map(|rate| rate.trim().parse()).collect();
        match rates.as_deref() {
            Ok([uhd, hd, sd]) => Ok(Self(*uhd, *hd, *sd)),
            _ => Err(format!(
                "expected 4K,HD,SD in dollars a minute, got {text:?}"
            )),
        }
    }
}

/// Prints the bill.
pub fn bill(uhd: &Uhd, sound: &Sound, rates: Option<Rates>) -> Result<()> {
    header(&["item", "how many", "$ each", "$", "arithmetic"])?;
    let items = items(uhd, sound);
    let mut total = 0.0;
    for item in &items {
        let cost = item.how_many * item.price;
        total += cost;
        row(&[
            item.what.to_owned(),
            format!("{:.0}", item.how_many),
            format!("{:.10}", item.price)
                .trim_end_matches('0')
                .to_owned(),
            format!("{cost:.4}"),
            item.arithmetic.clone(),
        ])?;
    }
    line(format_args!(
        "\nTotal: **${total:.2} an hour of film**, ${:.4} a minute of film in six sizes.",
        total / 60.0
    ))?;
    let compute = items.first().map_or(0.0, |item| item.how_many * item.price);
    line(format_args!(
        "Lambda bills time, not CPU: at the {:.0} % busy that was measured here the first line \
         is ${:.2} and the total ${:.2}.",
        uhd.busy_share * 100.0,
        compute / uhd.busy_share,
        total - compute + compute / uhd.busy_share
    ))?;
    match rates {
        Some(rates) => line(format_args!(
            "MediaConvert at the rates given ({}, {}, {} $ a minute of 4K, HD, SD): 60 × 2 × \
             (4K + HD + SD) = ${:.2}; **{:.1} times as much**.",
            rates.0,
            rates.1,
            rates.2,
            rates.hour(),
            rates.hour() / total
        ))?,
        None => line(format_args!(
            "MediaConvert: 60 × 2 × (4K + HD + SD rate a minute). Its rates are an input: \
             `--mediaconvert 4K,HD,SD`. It costs more wherever 4K + HD + SD > ${:.4} a minute.",
            total / 120.0
        ))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_second_is_billed_as_a_vcpu_of_memory() {
        let uhd = Uhd {
            cpu_seconds: 10.0,
            busy_share: 1.0,
            puts: 8.0,
            gets: 3.0,
            chunk_seconds: 4.0,
            moved_bytes: 0.0,
        };
        let items = items(&uhd, &Sound::default());
        let compute = items.first().unwrap();
        // 36,000 CPU seconds × 1.7275 GB × $0.0000166667
        assert!((compute.how_many * compute.price - 1.0365).abs() < 0.001);
        let puts = items.iter().find(|item| item.what == "S3 PUT").unwrap();
        assert!((puts.how_many - 7_200.0).abs() < 1e-9);
    }

    #[test]
    fn rates_are_three() {
        let rates: Rates = "0.06, 0.03,0.015".parse().unwrap();
        assert!((rates.hour() - 12.6).abs() < 1e-9);
        assert!("0.06,0.03".parse::<Rates>().is_err());
    }
}
