//! The sizes that a client may ask for.

use serde::{Deserialize, Serialize};

use crate::ContractError;

/// The short sides, in pixels, of the standard ladder, tallest first.
pub const STANDARD_SIZES: [u32; 6] = [2160, 1440, 1080, 720, 480, 360];

/// The smallest and largest short side that may be asked for, in pixels.
const SIZE_RANGE: std::ops::RangeInclusive<u32> = 144..=4320;

/// How many sizes may be asked for.
const MAX_SIZES: usize = 10;

/// The sizes required of a video: `"auto"`, or a list of short sides in pixels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "SizesText", into = "SizesText")]
pub enum Sizes {
    /// Every standard size that the master can fill.
    #[default]
    Auto,
    /// These short sides, tallest first, no two alike.
    Listed(Vec<u32>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SizesText {
    Word(String),
    List(Vec<u32>),
}

impl Sizes {
    /// A checked list: sorted, without doubles.
    ///
    /// # Errors
    /// [`ContractError::Sizes`] for an empty list, over ten sizes, or a size outside 144-4320.
    pub fn listed(mut sizes: Vec<u32>) -> Result<Self, ContractError> {
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        if sizes.is_empty() || sizes.len() > MAX_SIZES {
            let reason = format!("expected 1 to {MAX_SIZES} sizes, got {}", sizes.len());
            return Err(ContractError::Sizes { reason });
        }
        if let Some(size) = sizes.iter().find(|size| !SIZE_RANGE.contains(size)) {
            let reason = format!("{size} is outside {SIZE_RANGE:?} pixels");
            return Err(ContractError::Sizes { reason });
        }
        Ok(Self::Listed(sizes))
    }

    /// Parses `auto` or `1080,720`, the form of object metadata and the command line.
    ///
    /// # Errors
    /// [`ContractError::Sizes`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let sizes = text
            .split(',')
            .map(|word| word.trim().parse::<u32>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ContractError::Sizes {
                reason: format!(
                    "expected \"auto\" or numbers, got {:?}",
                    crate::excerpt(text, 80)
                ),
            })?;
        Self::listed(sizes)
    }

    /// The form that [`Sizes::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Listed(sizes) => sizes
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(","),
        }
    }
}

impl TryFrom<SizesText> for Sizes {
    type Error = ContractError;
    fn try_from(text: SizesText) -> Result<Self, Self::Error> {
        match text {
            SizesText::Word(word) if word == "auto" => Ok(Self::Auto),
            SizesText::Word(word) => Err(ContractError::Sizes {
                reason: format!(
                    "expected \"auto\" or a list, got {:?}",
                    crate::excerpt(&word, 80)
                ),
            }),
            SizesText::List(list) => Self::listed(list),
        }
    }
}

impl From<Sizes> for SizesText {
    fn from(sizes: Sizes) -> Self {
        match sizes {
            Sizes::Auto => Self::Word("auto".to_owned()),
            Sizes::Listed(list) => Self::List(list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["auto", "2160,1080,360"] {
            assert_eq!(Sizes::parse(text).unwrap().to_text(), text);
        }
        assert_eq!(Sizes::parse("360, 1080,360").unwrap().to_text(), "1080,360");
    }

    #[test]
    fn bad_sizes_say_why() {
        for (text, part) in [
            ("", "numbers"),
            ("0", "outside"),
            ("9000", "outside"),
            ("1080p", "1080p"),
        ] {
            let error = Sizes::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
