//! An ffmpeg with planted faults, for the engine's PATH.
//!
//! It is one file: a program of ours, the real ffmpeg behind it, and the faults behind that.
//! The sandbox lets its child read and execute that one file and nothing else, so there is
//! no other place for either. What no fault is meant for, the real ffmpeg does as ever.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a file of ours ends with.
const MARK: &[u8; 8] = b"CATFAULT";

/// The lengths of the two parts before the mark.
const FOOTER_BYTES: u64 = 8 + 8 + 8;

/// How it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing, for ever.
    Hang,
    /// It works for a while and is ended by a signal.
    Die,
    /// It ends well, but the file named has its first half only.
    Truncate,
    /// No file can be written: the disk is full.
    DiskFull,
}

const WORDS: [(Fault, &str); 4] = [
    (Fault::Hang, "hang"),
    (Fault::Die, "die"),
    (Fault::Truncate, "truncate"),
    (Fault::DiskFull, "disk-full"),
];

/// A fault and when it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// How it goes wrong.
    pub fault: Fault,
    /// The file that is concerned, for [`Fault::Truncate`].
    pub file: String,
    /// It shows where each of these stands in the arguments; none has a blank in it.
    pub wanted: Vec<String>,
}

impl Planted {
    /// Whether it shows with these arguments.
    #[must_use]
    pub fn shows(&self, args: &[String]) -> bool {
        let stands = |text: &String| args.iter().any(|arg| arg.contains(text.as_str()));
        self.wanted.iter().all(stands)
    }

    fn line(&self) -> String {
        let word = WORDS.iter().find(|(fault, _)| *fault == self.fault);
        let word = word.map_or("", |(_, word)| *word);
        format!("{word} {} {}\n", self.file, self.wanted.join(" "))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let word = words.next()?;
        let (fault, _) = WORDS.iter().find(|(_, known)| *known == word)?;
        Some(Self {
            fault: *fault,
            file: words.next()?,
            wanted: words.collect(),
        })
    }
}

/// What a file of ours has in it beside the program.
#[derive(Debug)]
pub struct Packed {
    /// Where the real ffmpeg begins.
    pub ffmpeg_at: u64,
    /// How long it is.
    pub ffmpeg_bytes: u64,
    /// The faults.
    pub faults: Vec<Planted>,
}

impl Packed {
    /// Reads what stands at the end of a file.
    ///
    /// # Errors
    /// If it cannot be read or is none of ours.
    pub fn read(file: &mut File) -> io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        let footer_at = end.saturating_sub(FOOTER_BYTES);
        let mut footer = [0; 24];
        file.seek(SeekFrom::Start(footer_at))?;
        file.read_exact(&mut footer)?;
        let length = |at: usize| {
            let bytes = footer.iter().skip(at).take(8);
            bytes
                .rev()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        if !footer.ends_with(MARK) {
            return Err(io::Error::other("nothing is packed in this file"));
        }
        let (ffmpeg_bytes, text_bytes) = (length(0), length(8));
        let text_at = footer_at.saturating_sub(text_bytes);
        file.seek(SeekFrom::Start(text_at))?;
        let mut text = String::new();
        file.take(text_bytes).read_to_string(&mut text)?;
        Ok(Self {
            ffmpeg_at: text_at.saturating_sub(ffmpeg_bytes),
            ffmpeg_bytes,
            faults: text.lines().filter_map(Planted::parse).collect(),
        })
    }

    /// Writes such a file: `program`, `ffmpeg`, `faults`.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn write(to: &Path, program: &Path, ffmpeg: &Path, faults: &[Planted]) -> io::Result<()> {
        // Another name until it is whole: it is on a PATH.
        let unfinished = to.with_extension("new");
        let mut file = File::create(&unfinished)?;
        io::copy(&mut File::open(program)?, &mut file)?;
        let ffmpeg_bytes = io::copy(&mut File::open(ffmpeg)?, &mut file)?;
        let text: String = faults.iter().map(Planted::line).collect();
        let text_bytes = io::copy(&mut text.as_bytes(), &mut file)?;
        file.write_all(&ffmpeg_bytes.to_le_bytes())?;
        file.write_all(&text_bytes.to_le_bytes())?;
        file.write_all(MARK)?;
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        drop(file);
        fs::rename(&unfinished, to)
    }
}

/// The ffmpeg of an engine, which is the real one while nothing is planted.
#[derive(Debug)]
pub struct FaultyFfmpeg {
    program: PathBuf,
    ffmpeg: PathBuf,
    /// Stands before the real one on the engine's PATH.
    place: PathBuf,
    planted: Mutex<Vec<Planted>>,
}

impl FaultyFfmpeg {
    /// `program` is the built `faulty-ffmpeg`, `ffmpeg` the real one, `folder` the first one
    /// on the engine's PATH.
    #[must_use]
    pub fn new(program: &Path, ffmpeg: &Path, folder: &Path) -> Self {
        Self {
            program: program.to_owned(),
            ffmpeg: ffmpeg.to_owned(),
            place: folder.join("ffmpeg"),
            planted: Mutex::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Planted>> {
        self.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plants a fault, beside those that are there.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn plant(&self, fault: &Planted) {
        let mut all = self.all();
        all.push(fault.clone());
        self.put(&all);
    }

    /// Mends one.
    ///
    /// # Panics
    /// As [`FaultyFfmpeg::plant`].
    pub fn mend(&self, fault: &Planted) {
        let mut all = self.all();
        all.retain(|planted| planted != fault);
        self.put(&all);
    }

    fn put(&self, all: &[Planted]) {
        if all.is_empty() {
            fs::remove_file(&self.place).expect("the faulty ffmpeg is removed");
            return;
        }
        Packed::write(&self.place, &self.program, &self.ffmpeg, all)
            .expect("a faulty ffmpeg is written");
    }
}
