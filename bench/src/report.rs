//! Writes the results on standard output as Markdown, as they come.

use std::fmt::Display;
use std::io::{Result, Write as _};

/// One line.
pub fn line(text: impl Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A heading of a section.
pub fn heading(text: impl Display) -> Result<()> {
    line(format_args!("\n## {text}\n"))
}

/// A table's first two lines: the first column is words, the others are figures.
pub fn header(columns: &[&str]) -> Result<()> {
    row(columns)?;
    let rulers: Vec<_> = (0..columns.len())
        .map(|place| if place == 0 { "---" } else { "---:" })
        .collect();
    row(&rulers)
}

/// A table's row.
pub fn row<T: AsRef<str>>(cells: &[T]) -> Result<()> {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    line(format_args!("| {} |", cells.join(" | ")))
}
