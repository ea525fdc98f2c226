//! storyboard
