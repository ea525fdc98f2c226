//! Matroska and WebM.

use super::*;

#[test]
fn webm_with_cues() {
    let file = webm(100, 10);
    let index = indexed(&file);
    assert_eq!(index.container, Container::Matroska);
    assert_eq!((index.video.codec, index.video.timescale), ("vp9", 1_000));
    assert_eq!(index.video.frame_rate, Rational { num: 25, den: 1 });
    let Access::Clusters(map) = &index.video.access else {
        panic!("{:?}", index.video.access);
    };
    assert_eq!(map.cues.len(), 10);
    for (cue, time) in map.cues.iter().zip((0..).step_by(400)) {
        assert_eq!(cue.pts, time);
        let at = usize::try_from(cue.cluster).unwrap();
        assert_eq!(file[at..at + 4], [0x1f, 0x43, 0xb6, 0x75]);
    }
    assert_eq!(map.first_pts, 0);
    // Cues that point elsewhere are not used.
    let mut file = file;
    let at = usize::try_from(map.cues[9].cluster).unwrap();
    file[at] = 0x1e;
    assert_eq!(indexed(&file).video.access, Access::Whole);
}

#[test]
fn pictures_that_begin_long_after_the_sound_are_found() {
    // Three elements a block: the cluster, its time, the block.
    for blocks in [1_u32, 50, 54, 500, 6_000] {
        let sound = vec![300; usize::try_from(blocks).unwrap()];
        let (index, reads) = drive(&webm_after_sound(&sound, 100, 10));
        let index = index.unwrap();
        assert_eq!(index.video.frame_rate, Rational { num: 25, den: 1 });
        assert_eq!(index.video.origin_ticks, 0);
        assert!(index.audio.is_some());
        let Access::Clusters(map) = &index.video.access else {
            panic!("{:?}", index.video.access);
        };
        assert_eq!(map.first_pts, i64::from(blocks) * 20, "{blocks}");
        assert!(reads < 80, "{blocks}: {reads} reads");
    }
}

#[test]
fn the_search_for_a_picture_comes_to_an_end() {
    // By the number of the elements, and by how far it goes: here each block costs a read.
    for (sound, most_reads) in [(vec![1; 7_000], 20), (vec![100_000; 200], 400)] {
        let (index, reads) = drive(&webm_after_sound(&sound, 100, 10));
        let Err(IndexError::Rejected { code, .. }) = index else {
            panic!("{index:?}");
        };
        assert_eq!(code, RejectionCode::Malformed);
        assert!(reads < most_reads, "{reads} reads");
    }
    // Some elements are looked at wherever they lie.
    let (index, _) = drive(&webm_after_sound(&[1_000_000; 50], 10, 10));
    assert!(index.is_ok(), "{index:?}");
}

#[test]
fn a_cue_at_the_very_end_is_none() {
    let mut file = webm(100, 10);
    let position = [0xf1, 0x10, 0, 0, 4];
    let place = file
        .windows(5)
        .rposition(|window| window == position)
        .unwrap()
        + 5;
    let body = file
        .windows(4)
        .position(|window| window == [0x18, 0x53, 0x80, 0x67])
        .unwrap()
        + 8;
    let end = u32::try_from(file.len() - body).unwrap();
    file[place..place + 4].copy_from_slice(&end.to_be_bytes());
    let Access::Clusters(map) = indexed(&file).video.access else {
        panic!("it has cues");
    };
    assert_eq!(map.cues.len(), 9);
}
