//! New makings of a video: of all, of a size, of a chunk, without a size; what is copied, what
//! is served meanwhile, what is removed and when. And what makes the join good: lost events,
//! broken chunks, overwritten playlists. The encoder is the real one.

mod encoder;
mod ending;
mod joining;
mod making;
mod stage;
