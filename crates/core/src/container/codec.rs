//! Codecs that are accepted, by the names that containers and ffmpeg give them.

/// ffmpeg's name of an accepted picture codec, by the four letters of an MP4 or QuickTime
/// sample entry (mp4ra.org, ffmpeg's `libavformat/isom_tags.c`).
pub(crate) fn video_by_fourcc(fourcc: [u8; 4]) -> Option<&'static str> {
    Some(match &fourcc {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" | b"ai12" | b"ai13" | b"ai15"
        | b"ai55" | b"AVin" => "h264",
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "hevc",
        b"vp08" => "vp8",
        b"vp09" => "vp9",
        b"av01" | b"dav1" => "av1",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "prores",
        b"mp4v" | b"DIVX" | b"XVID" | b"3IV2" => "mpeg4",
        b"s263" | b"h263" | b"H263" => "h263",
        b"jpeg" | b"mjpa" | b"mjpb" | b"mjpg" | b"AVDJ" => "mjpeg",
        b"AVdn" | b"AVdh" => "dnxhd",
        b"CFHD" => "cfhd",
        b"dvc " | b"dvcp" | b"dvpp" | b"dv5n" | b"dv5p" | b"dvh5" | b"dvh6" | b"dvhp" | b"dvhq"
        | b"dvsd" | b"AVdv" => "dvvideo",
        b"mp1v" | b"m1v1" | b"m1v " => "mpeg1video",
        b"mp2v" | b"m2v1" | b"hdv1" | b"hdv2" | b"hdv3" | b"hdv4" | b"hdv5" | b"hdv6" | b"hdv7"
        | b"hdv8" | b"hdv9" | b"hdva" | b"mx5n" | b"mx5p" | b"mx4n" | b"mx4p" | b"mx3n"
        | b"mx3p" | b"xdv1" | b"xdv2" | b"xdv3" | b"xdv4" | b"xdv5" | b"xdv6" | b"xdv7"
        | b"xdv8" | b"xdv9" | b"xdva" | b"xdvb" | b"xdvc" | b"xdvd" | b"xdve" | b"xdvf"
        | b"xd54" | b"xd55" | b"xd59" | b"xd5a" | b"xd5b" | b"xd5c" | b"xd5d" | b"xd5e"
        | b"xd5f" => "mpeg2video",
        b"vc-1" => "vc1",
        b"FFV1" => "ffv1",
        b"rle " => "qtrle",
        b"SVQ3" => "svq3",
        b"2vuy" | b"v210" | b"yuv2" | b"raw " => "rawvideo",
        _ => return None,
    })
}

/// ffmpeg's name of a picture codec by the object type of an `esds` box (ISO/IEC 14496-1).
pub(crate) fn video_by_object_type(object_type: u8) -> Option<&'static str> {
    Some(match object_type {
        0x20 => "mpeg4",
        0x21 => "h264",
        0x23 => "hevc",
        0x60..=0x65 => "mpeg2video",
        0x6a => "mpeg1video",
        0x6c => "mjpeg",
        0xb1 => "vp9",
        _ => return None,
    })
}

/// ffmpeg's name of an accepted sound codec by the four letters of a sample entry. PCM
/// begins with `pcm_`.
pub(crate) fn audio_by_fourcc(fourcc: [u8; 4]) -> Option<&'static str> {
    Some(match &fourcc {
        b"mp4a" => "aac",
        b".mp3" | b"mp3 " | [b'm', b's', 0, b'U'] => "mp3",
        b"ac-3" | b"sac3" => "ac3",
        b"ec-3" => "eac3",
        b"Opus" => "opus",
        b"fLaC" => "flac",
        b"alac" => "alac",
        b"samr" => "amrnb",
        b"sawb" => "amrwb",
        b"dtsc" | b"dtsh" | b"dtsl" => "dca",
        b"sowt" | b"lpcm" | b"ipcm" | b"fpcm" => "pcm_s16le",
        b"twos" => "pcm_s16be",
        b"raw " | b"NONE" => "pcm_u8",
        b"in24" => "pcm_s24be",
        b"in32" => "pcm_s32be",
        b"fl32" => "pcm_f32be",
        b"fl64" => "pcm_f64be",
        b"ulaw" => "pcm_mulaw",
        b"alaw" => "pcm_alaw",
        b"ima4" => "adpcm_ima_qt",
        _ => return None,
    })
}

/// ffmpeg's name of a sound codec by the object type of an `esds` box.
pub(crate) fn audio_by_object_type(object_type: u8) -> Option<&'static str> {
    Some(match object_type {
        0x40 | 0x66..=0x68 => "aac",
        0x69 | 0x6b => "mp3",
        0xa5 => "ac3",
        0xa6 => "eac3",
        0xa9 => "dca",
        0xad => "opus",
        0xdd => "vorbis",
        _ => return None,
    })
}

/// ffmpeg's name of an accepted picture codec by Matroska's codec id
/// (matroska.org, "Codec Mappings").
pub(crate) fn video_by_matroska(codec_id: &str) -> Option<&'static str> {
    Some(match codec_id {
        "V_MPEG4/ISO/AVC" => "h264",
        "V_MPEGH/ISO/HEVC" => "hevc",
        "V_VP8" => "vp8",
        "V_VP9" => "vp9",
        "V_AV1" => "av1",
        "V_PRORES" => "prores",
        "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/AP" => "mpeg4",
        "V_MPEG2" => "mpeg2video",
        "V_MPEG1" => "mpeg1video",
        "V_MJPEG" => "mjpeg",
        "V_FFV1" => "ffv1",
        "V_THEORA" => "theora",
        _ => return None,
    })
}

/// ffmpeg's name of an accepted sound codec by Matroska's codec id.
pub(crate) fn audio_by_matroska(codec_id: &str) -> Option<&'static str> {
    Some(match codec_id {
        "A_AAC" => "aac",
        "A_MPEG/L3" => "mp3",
        "A_MPEG/L2" => "mp2",
        "A_OPUS" => "opus",
        "A_VORBIS" => "vorbis",
        "A_FLAC" => "flac",
        "A_ALAC" => "alac",
        "A_AC3" => "ac3",
        "A_EAC3" => "eac3",
        "A_DTS" => "dca",
        "A_TRUEHD" => "truehd",
        "A_PCM/INT/LIT" => "pcm_s16le",
        "A_PCM/INT/BIG" => "pcm_s16be",
        "A_PCM/FLOAT/IEEE" => "pcm_f32le",
        id if id.starts_with("A_AAC/") => "aac",
        _ => return None,
    })
}

/// The accepted picture codec of that name, as ffmpeg prints it.
pub(crate) fn video_by_name(name: &str) -> Option<&'static str> {
    by_name(VIDEO, name)
}

/// The accepted sound codec of that name, as ffmpeg prints it.
pub(crate) fn audio_by_name(name: &str) -> Option<&'static str> {
    by_name(AUDIO, name)
}

/// ffmpeg's names of the decoders that may read what strangers sent: those of the accepted
/// codecs, and nothing else.
pub(crate) fn decoders() -> impl Iterator<Item = &'static str> {
    let codecs = VIDEO.iter().chain(AUDIO);
    codecs.flat_map(|codec| codec.decoders.iter().copied())
}

/// An accepted codec.
struct Codec {
    /// ffmpeg's name of it.
    name: &'static str,
    /// ffmpeg's names of the decoders that read it, often another.
    decoders: &'static [&'static str],
}

fn by_name(table: &[Codec], name: &str) -> Option<&'static str> {
    let found = table.iter().find(|codec| codec.name == name)?;
    Some(found.name)
}

macro_rules! codecs {
    ($($name:literal by $($decoder:literal)+),+ $(,)?) => {
        &[$(Codec { name: $name, decoders: &[$($decoder),+] }),+]
    };
}

/// What phones, cameras, editors and browsers write and wrote.
const VIDEO: &[Codec] = codecs![
    "h264" by "h264",
    "hevc" by "hevc",
    "vp8" by "vp8",
    "vp9" by "vp9",
    "av1" by "libdav1d" "av1",
    "prores" by "prores",
    "mpeg4" by "mpeg4",
    "mpeg2video" by "mpeg2video",
    "mpeg1video" by "mpeg1video",
    "mjpeg" by "mjpeg",
    "dnxhd" by "dnxhd",
    "h263" by "h263",
    "cfhd" by "cfhd",
    "dvvideo" by "dvvideo",
    "vc1" by "vc1",
    "ffv1" by "ffv1",
    "theora" by "theora",
    "qtrle" by "qtrle",
    "svq3" by "svq3",
    "rawvideo" by "rawvideo",
    "wmv1" by "wmv1",
    "wmv2" by "wmv2",
    "wmv3" by "wmv3",
    "msmpeg4v2" by "msmpeg4v2",
    "msmpeg4v3" by "msmpeg4",
    "flv1" by "flv",
    "vp6f" by "vp6f",
    "huffyuv" by "huffyuv",
    "ffvhuff" by "ffvhuff",
    "utvideo" by "utvideo",
    "magicyuv" by "magicyuv",
    "jpeg2000" by "jpeg2000",
];

/// Of those that go with [`VIDEO`]; of what is not here a film is made without sound.
const AUDIO: &[Codec] = codecs![
    "aac" by "aac",
    "aac_latm" by "aac_latm",
    "mp3" by "mp3float" "mp3",
    "mp2" by "mp2float" "mp2",
    "mp1" by "mp1float" "mp1",
    "opus" by "opus" "libopus",
    "vorbis" by "vorbis" "libvorbis",
    "flac" by "flac",
    "alac" by "alac",
    "ac3" by "ac3",
    "eac3" by "eac3",
    "dca" by "dca",
    "dts" by "dca",
    "truehd" by "truehd",
    "amrnb" by "amrnb" "libopencore_amrnb",
    "amr_nb" by "amrnb" "libopencore_amrnb",
    "amrwb" by "amrwb" "libopencore_amrwb",
    "amr_wb" by "amrwb" "libopencore_amrwb",
    "wmav1" by "wmav1",
    "wmav2" by "wmav2",
    "wmapro" by "wmapro",
    "speex" by "speex" "libspeex",
    "nellymoser" by "nellymoser",
    "s302m" by "s302m",
    "adpcm_ima_qt" by "adpcm_ima_qt",
    "adpcm_ima_wav" by "adpcm_ima_wav",
    "adpcm_ms" by "adpcm_ms",
    "adpcm_swf" by "adpcm_swf",
    "pcm_u8" by "pcm_u8",
    "pcm_s8" by "pcm_s8",
    "pcm_s16le" by "pcm_s16le",
    "pcm_s16be" by "pcm_s16be",
    "pcm_s24le" by "pcm_s24le",
    "pcm_s24be" by "pcm_s24be",
    "pcm_s32le" by "pcm_s32le",
    "pcm_s32be" by "pcm_s32be",
    "pcm_f32le" by "pcm_f32le",
    "pcm_f32be" by "pcm_f32be",
    "pcm_f64le" by "pcm_f64le",
    "pcm_f64be" by "pcm_f64be",
    "pcm_mulaw" by "pcm_mulaw",
    "pcm_alaw" by "pcm_alaw",
    "pcm_bluray" by "pcm_bluray",
    "pcm_dvd" by "pcm_dvd",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of one line each: names of a codec, and in front what it is called here.
    fn lines(table: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
        table.trim().lines().map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.collect())
        })
    }

    /// Four letters; a `_` stands for a blank.
    fn letters(word: &str) -> [u8; 4] {
        word.replace('_', " ").into_bytes().try_into().unwrap()
    }

    #[test]
    fn pictures_by_four_letters() {
        for (codec, fourccs) in lines(
            "h264 avc1 avc2 avc3 avc4 dva1 dvav ai12 ai13 ai15 ai55 AVin
            hevc hvc1 hev1 dvh1 dvhe
            vp8 vp08
            vp9 vp09
            av1 av01 dav1
            prores apch apcn apcs apco ap4h ap4x
            mpeg4 mp4v DIVX XVID 3IV2
            h263 s263 h263 H263
            mjpeg jpeg mjpa mjpb mjpg AVDJ
            dnxhd AVdn AVdh
            cfhd CFHD
            dvvideo dvc_ dvcp dvpp dv5n dv5p dvh5 dvh6 dvhp dvhq dvsd AVdv
            mpeg1video mp1v m1v1 m1v_
            mpeg2video mp2v m2v1 hdv1 hdv9 hdva mx5n mx3p xdv1 xdvf xd54 xd5f
            vc1 vc-1
            ffv1 FFV1
            qtrle rle_
            svq3 SVQ3
            rawvideo 2vuy v210 yuv2 raw_",
        ) {
            assert!(!fourccs.is_empty());
            for fourcc in fourccs {
                assert_eq!(video_by_fourcc(letters(fourcc)), Some(codec), "{fourcc}");
            }
            assert_eq!(video_by_name(codec), Some(codec));
        }
        assert_eq!(video_by_fourcc(*b"mp4a"), None);
        assert_eq!(video_by_name("tiff"), None);
    }

    #[test]
    fn sound_by_four_letters() {
        for (codec, fourccs) in lines(
            "aac mp4a
            mp3 .mp3 mp3_
            ac3 ac-3 sac3
            eac3 ec-3
            opus Opus
            flac fLaC
            alac alac
            amrnb samr
            amrwb sawb
            dca dtsc dtsh dtsl
            pcm_s16le sowt lpcm ipcm fpcm
            pcm_s16be twos
            pcm_u8 raw_ NONE
            pcm_s24be in24
            pcm_s32be in32
            pcm_f32be fl32
            pcm_f64be fl64
            pcm_mulaw ulaw
            pcm_alaw alaw
            adpcm_ima_qt ima4",
        ) {
            for fourcc in fourccs {
                assert_eq!(audio_by_fourcc(letters(fourcc)), Some(codec), "{fourcc}");
            }
            assert_eq!(audio_by_name(codec), Some(codec));
        }
        assert_eq!(audio_by_fourcc([b'm', b's', 0, b'U']), Some("mp3"));
        assert_eq!(audio_by_fourcc(*b"avc1"), None);
        assert_eq!(audio_by_name("wavpack"), None);
    }

    #[test]
    fn object_types() {
        for (object_type, codec) in [
            (0x20, "mpeg4"),
            (0x21, "h264"),
            (0x23, "hevc"),
            (0x60, "mpeg2video"),
            (0x65, "mpeg2video"),
            (0x6a, "mpeg1video"),
            (0x6c, "mjpeg"),
            (0xb1, "vp9"),
        ] {
            assert_eq!(video_by_object_type(object_type), Some(codec));
            assert_eq!(audio_by_object_type(object_type), None);
        }
        for (object_type, codec) in [
            (0x40, "aac"),
            (0x66, "aac"),
            (0x68, "aac"),
            (0x69, "mp3"),
            (0x6b, "mp3"),
            (0xa5, "ac3"),
            (0xa6, "eac3"),
            (0xa9, "dca"),
            (0xad, "opus"),
            (0xdd, "vorbis"),
        ] {
            assert_eq!(audio_by_object_type(object_type), Some(codec));
            assert_eq!(video_by_object_type(object_type), None);
        }
    }

    #[test]
    fn matroska_ids() {
        for (codec, ids) in lines(
            "h264 V_MPEG4/ISO/AVC
            hevc V_MPEGH/ISO/HEVC
            vp8 V_VP8
            vp9 V_VP9
            av1 V_AV1
            prores V_PRORES
            mpeg4 V_MPEG4/ISO/ASP V_MPEG4/ISO/SP V_MPEG4/ISO/AP
            mpeg2video V_MPEG2
            mpeg1video V_MPEG1
            mjpeg V_MJPEG
            ffv1 V_FFV1
            theora V_THEORA",
        ) {
            for id in ids {
                assert_eq!(video_by_matroska(id), Some(codec), "{id}");
                assert_eq!(audio_by_matroska(id), None, "{id}");
            }
            assert_eq!(video_by_name(codec), Some(codec));
        }
        for (codec, ids) in lines(
            "aac A_AAC A_AAC/MPEG4/LC
            mp3 A_MPEG/L3
            mp2 A_MPEG/L2
            opus A_OPUS
            vorbis A_VORBIS
            flac A_FLAC
            alac A_ALAC
            ac3 A_AC3
            eac3 A_EAC3
            dca A_DTS
            truehd A_TRUEHD
            pcm_s16le A_PCM/INT/LIT
            pcm_s16be A_PCM/INT/BIG
            pcm_f32le A_PCM/FLOAT/IEEE",
        ) {
            for id in ids {
                assert_eq!(audio_by_matroska(id), Some(codec), "{id}");
                assert_eq!(video_by_matroska(id), None, "{id}");
            }
            assert_eq!(audio_by_name(codec), Some(codec));
        }
    }
}
