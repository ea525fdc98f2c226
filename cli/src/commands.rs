//! What each command does.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use cattube::api::{Video, VideoState};
use cattube::upload::{self, Job, Start};
use cattube::watch::{self, Watch};
use cattube::{Client, Retry, progress, summary, tickets};

use crate::args::{Args, Command, Upload};

/// Does what was asked.
pub fn run(args: Args) -> Result<ExitCode> {
    let api = args.api.context("no API: give --api or CATTUBE_API")?;
    let token = args
        .token
        .context("no token: give --token or CATTUBE_TOKEN")?;
    let client = Client::new(&api, &token, Retry::default());
    match args.command {
        Command::Upload(args) => return upload(&client, args),
        Command::List { limit } => {
            let videos = client.videos(limit)?;
            print(videos.iter().map(summary::list_line))?;
        }
        Command::Show { id } => {
            let video = client.video(&id)?;
            show(&client, &video.with_context(|| format!("no video {id}"))?)?;
        }
        Command::Timeline { id } => print(summary::timeline_lines(&client.timeline(&id)?))?,
        Command::Delete { id } => {
            client.delete_video(&id)?;
            print([format!("{id} will be deleted")])?;
        }
        Command::Cancel { id } => {
            client.cancel_upload(&id)?;
            print([format!("upload {id} is cancelled")])?;
        }
        Command::Tickets { all } => {
            let tickets = client.tickets(all)?;
            print(tickets.iter().flat_map(tickets::lines))?;
        }
        Command::Answer { ticket, answer } => {
            print(tickets::lines(&client.answer_ticket(&ticket, &answer)?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn upload(client: &Client, args: Upload) -> Result<ExitCode> {
    let start = match (args.resume, args.again) {
        (Some(video_id), _) => Start::Resume(video_id),
        (None, true) => Start::Again,
        (None, false) => Start::Continue,
    };
    let job = Job {
        path: &args.file,
        title: args.title,
        sizes: args.sizes,
        start,
        parallel: usize::from(args.parallel),
    };
    let progress = progress::for_stderr();
    let video_id = upload::send(client, &job, progress.as_ref())?;
    if !args.watch {
        print([video_id])?;
        return Ok(ExitCode::SUCCESS);
    }
    let watch = Watch {
        limit: args.timeout.map(Duration::from_secs),
        ..Watch::default()
    };
    let video = watch::follow(client, &video_id, watch, progress.as_ref())?;
    show(client, &video)?;
    Ok(match video.state {
        VideoState::Ready => ExitCode::SUCCESS,
        VideoState::Uploading
        | VideoState::Uploaded
        | VideoState::Planned
        | VideoState::Playable
        | VideoState::Rejected
        | VideoState::Abandoned
        | VideoState::Deleted
        | VideoState::Unknown => ExitCode::FAILURE,
    })
}

fn show(client: &Client, video: &Video) -> Result<()> {
    let timeline = client.timeline(&video.video_id)?;
    print(summary::lines(video, &timeline))
}

/// A reader that has seen enough is no error.
fn print(lines: impl IntoIterator<Item = String>) -> Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}
