//! What CatTube costs and how fast it is. Every figure of bench/README.md is printed here, in
//! one run; ratios are of two things that were measured in this run.

mod chunked;
mod cost;
mod film;
mod fleet;
mod functions;
mod jobs;
mod masters;
mod meter;
mod numbers;
mod reads;
mod report;
mod starts;
mod uhd;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Parser;

use crate::chunked::Sound;
use crate::cost::Rates;
use crate::film::Film;
use crate::masters::Master;
use crate::report::{heading, line};
use crate::uhd::Uhd;

/// Films of the usual kind, and one whose key frames are far apart.
const SHORT_GOP: Master = Master {
    name: "gop2.mp4",
    width_px: 1_920,
    height_px: 1_080,
    seconds: 30,
    gop_seconds: 2,
};
const LONG_GOP: Master = Master {
    name: "gop10.mp4",
    gop_seconds: 10,
    ..SHORT_GOP
};
const UHD: Master = Master {
    name: "uhd.mp4",
    width_px: 3_840,
    height_px: 2_160,
    seconds: 12,
    gop_seconds: 2,
};

const FOUR_SIZES: &str = "1080,720,480,360";
const SIX_SIZES: &str = "2160,1440,1080,720,480,360";

/// What CatTube costs and how fast it is.
#[derive(Debug, Parser)]
struct Args {
    /// How often each comparison is made.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How often each function is started.
    #[arg(long, default_value_t = 15)]
    starts: u32,
    /// `MediaConvert`'s rates, dollars a minute of 4K, HD and SD.
    #[arg(long)]
    mediaconvert: Option<Rates>,
    /// Leave out the encoding, and with it the cost.
    #[arg(long)]
    no_encode: bool,
    /// Leave out the functions, and with them their release build.
    #[arg(long)]
    no_functions: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let cores = std::thread::available_parallelism()?.get();
    line("# CatTube bench\n")?;
    machine(cores)?;
    if !args.no_functions {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        heading("Functions: size, cold start, memory")?;
        functions::build(&root)?;
        functions::measure(&root, args.starts)?;
    }
    if !args.no_encode {
        let (sound, uhd) = encoding(args.rounds, cores).await?;
        heading("One hour of 4K in six sizes: cost")?;
        cost::bill(&uhd, &sound, args.mediaconvert)?;
        heading("One hour of 4K in six sizes: time (a model, not a measurement)")?;
        fleet::estimate(&uhd, &sound)?;
    }
    line(format_args!("\nLoad at the end: {}.", load()?))?;
    Ok(())
}

/// Says when and on what this runs.
fn machine(cores: usize) -> Result<()> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let now = jiff::Timestamp::now();
    line(format_args!(
        "{}, {cores} cores, Linux {}",
        now.strftime("%F"),
        kernel.trim()
    ))?;
    line(first_line("rustc", &["--version"])?)?;
    line(first_line("ffmpeg", &["-version"])?)?;
    line(format_args!("Load at the start: {}.", load()?))?;
    Ok(())
}

fn first_line(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output();
    let output = output.with_context(|| program.to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// How many processes wanted a core in the last minute, and in the last five.
fn load() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

/// Makes and plans the masters, says what is read of them, and encodes them.
async fn encoding(rounds: u32, cores: usize) -> Result<(Sound, Uhd)> {
    let dir = tempfile::tempdir()?;
    let mut short = Film::plan(&SHORT_GOP.make(dir.path())?, FOUR_SIZES).await?;
    let mut long = Film::plan(&LONG_GOP.make(dir.path())?, FOUR_SIZES).await?;
    let mut ultra = Film::plan(&UHD.make(dir.path())?, SIX_SIZES).await?;
    heading("Bytes that the workers read")?;
    reads::table()?;
    reads::of("1080p30, GOP 2 s, 30 s", &short)?;
    reads::of("1080p30, GOP 10 s, 30 s", &long)?;
    reads::of("2160p30, GOP 2 s, 12 s", &ultra)?;
    heading(format_args!(
        "CPU, 1080p30, 30 s, GOP 2 s, sizes {FOUR_SIZES}"
    ))?;
    chunked::compare(&mut short, rounds, true).await?;
    let sound = chunked::sound(&mut short, SHORT_GOP.seconds).await?;
    heading(format_args!(
        "CPU, the same with GOP 10 s, sizes {FOUR_SIZES}"
    ))?;
    chunked::compare(&mut long, 1, false).await?;
    heading(format_args!(
        "One chunk of 2160p30, GOP 2 s, sizes {SIX_SIZES}"
    ))?;
    let uhd = uhd::measure(&mut ultra, rounds, cores).await?;
    Ok((sound, uhd))
}
