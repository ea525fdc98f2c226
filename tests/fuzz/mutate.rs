//! Mutations of bytes and of text, whatever they mean.

use crate::random::Random;

/// Numbers at which readers trip.
const EDGES: [u64; 22] = [
    0,
    1,
    2,
    7,
    8,
    16,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Words at which readers of text trip.
const WORDS: [&str; 24] = [
    "",
    "0",
    "-1",
    "1e999",
    "NaN",
    "nan",
    "inf",
    "N/A",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "4294967296",
    "0x",
    "0xffffffff",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "ß😀",
    "../",
    "%2e%2e%2f",
    "%",
    "\n",
    "\r\n",
    ",",
];

/// Mutates bytes once; `other` is another input of the same kind, to take from.
pub fn bytes(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(input.len() + 1);
    match random.below(10) {
        0 => flip(random, input, at),
        1 => put(input, at, &[random.next().to_be_bytes()[0]]),
        2..=4 => number(random, input, at),
        5 => input.truncate(at),
        6 => drop(input.drain(span(random, at, input.len()))),
        7 => {
            let piece = input[span(random, at, input.len())].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        8 => {
            let from = random.below(other.len() + 1);
            let piece = &other[span(random, from, other.len())];
            input.splice(at..at, piece.iter().copied());
        }
        _ => {
            let swapped = span(random, at, input.len());
            input[swapped].reverse();
        }
    }
}

/// A short span from `at` on.
fn span(random: &mut Random, at: usize, length: usize) -> std::ops::Range<usize> {
    let longest = if random.once_in(8) { length } else { 16 };
    at..(at + 1 + random.below(longest)).min(length)
}

fn flip(random: &mut Random, input: &mut [u8], at: usize) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn put(input: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, byte) in input.iter_mut().skip(at).zip(bytes) {
        *to = *byte;
    }
}

/// Overwrites one, two, four or eight bytes with a number at which readers trip, or with one
/// near what stands there.
fn number(random: &mut Random, input: &mut [u8], at: usize) {
    let width = 1_usize << random.below(4);
    let at = if random.once_in(2) { at & !3 } else { at };
    let value = if random.once_in(3) {
        let there = input.iter().skip(at).take(width);
        let there = there.fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let step = u64::try_from(random.below(5)).unwrap();
        there.wrapping_add(step).wrapping_sub(2)
    } else {
        *random.pick(&EDGES)
    };
    let bytes = value.to_be_bytes();
    put(input, at, &bytes[8 - width..]);
}

/// Mutates text once, by its words, lines or characters.
pub fn text(random: &mut Random, input: &mut String, other: &str) {
    match random.below(5) {
        0 => {
            let word = *random.pick(&WORDS);
            let at = boundary(random, input);
            input.insert_str(at, word);
        }
        1 => replace_word(random, input),
        2 => lines(random, input, other),
        3 => {
            let (from, to) = (boundary(random, input), boundary(random, input));
            input.replace_range(from.min(to)..from.max(to), "");
        }
        _ => {
            let mut raw = std::mem::take(input).into_bytes();
            bytes(random, &mut raw, other.as_bytes());
            *input = String::from_utf8_lossy(&raw).into_owned();
        }
    }
}

fn boundary(random: &mut Random, input: &str) -> usize {
    let mut at = random.below(input.len() + 1);
    while !input.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Replaces a run of letters and digits.
fn replace_word(random: &mut Random, input: &mut String) {
    let at = boundary(random, input);
    let inside = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let before = input[..at].chars().rev().take_while(|c| inside(*c)).count();
    let after = input[at..].chars().take_while(|c| inside(*c)).count();
    let word = if random.once_in(4) {
        random.next().to_string()
    } else {
        (*random.pick(&WORDS)).to_owned()
    };
    input.replace_range(at - before..at + after, &word);
}

/// Drops, doubles or swaps lines, or takes one from elsewhere.
fn lines(random: &mut Random, input: &mut String, other: &str) {
    let mut lines: Vec<&str> = input.lines().collect();
    if lines.is_empty() {
        return;
    }
    let (at, to) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(4) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(to, lines[at]),
        2 => lines.swap(at, to),
        _ => {
            let others: Vec<&str> = other.lines().collect();
            lines[at] = others
                .get(random.below(others.len()))
                .copied()
                .unwrap_or("");
        }
    }
    *input = lines.join("\n");
}
