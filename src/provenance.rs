//! Where speech comes from, in words. In: nothing. Out: what every file of speech says of itself, in the form of each format,
//! from one place, so that programs and people can tell that nobody has said it.

/// What has made it.
pub const SOFTWARE: &str = concat!("Syrinx ", env!("CARGO_PKG_VERSION"));
/// For people.
pub const STATEMENT: &str = "Synthetic speech, made by a machine";
/// For programs: how media were made, of the IPTC's vocabulary.
pub const SOURCE_TYPE: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// Names and values, as formats with free names have them.
pub const TAGS: [(&str, &str); 3] = [("ENCODER", SOFTWARE), ("COMMENT", STATEMENT), ("DIGITALSOURCETYPE", SOURCE_TYPE)];

/// The `LIST` chunk of a WAV file, whose names are fixed: software, comment, source.
pub fn wav_chunk() -> Vec<u8> {
    let mut list = b"INFO".to_vec();
    for (name, value) in [(b"ISFT", SOFTWARE), (b"ICMT", STATEMENT), (b"ISRC", SOURCE_TYPE)] {
        let value = [value.as_bytes(), &[0]].concat();
        list.extend(chunk(name, &value));
    }
    chunk(b"LIST", &list)
}

/// A chunk begins at an even place, and its length doesn't count the zero that sees to it.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut bytes = [&name[..], &length.to_le_bytes(), content].concat();
    if !content.len().is_multiple_of(2) {
        bytes.push(0);
    }
    bytes
}

/// The content of a Vorbis comment, as FLAC has it.
pub fn vorbis_comment() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let tags = TAGS.map(|(name, value)| text(&format!("{name}={value}")));
    [text(SOFTWARE), (tags.len() as u32).to_le_bytes().to_vec(), tags.concat()].concat()
}

/// An ID3 tag of version 2.4 for the beginning of an MP3: texts with names of their own.
pub fn id3_tag() -> Vec<u8> {
    /// The encoding of texts: Latin 1.
    const LATIN: u8 = 0;
    let frames = TAGS.map(|(name, value)| {
        let content = [&[LATIN], name.as_bytes(), &[0], value.as_bytes()].concat();
        [b"TXXX", &sevens(content.len())[..], &[0, 0], &content].concat()
    });
    let frames = frames.concat();
    [b"ID3\x04\0\0", &sevens(frames.len())[..], &frames].concat()
}

/// A length in seven bits a byte, in which no player finds the beginning of a frame.
fn sevens(length: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (length >> shift & 0x7f) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunk_of_a_wav_file_has_the_length_that_it_names() {
        let list = wav_chunk();
        assert_eq!(&list[..4], b"LIST");
        assert_eq!(list[4..8], (list.len() as u32 - 8).to_le_bytes());
        assert!(list.len().is_multiple_of(2));
        for text in [SOFTWARE, STATEMENT, SOURCE_TYPE] {
            assert!(list.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_tag_of_an_mp3_has_no_byte_that_begins_a_frame_and_its_own_length() {
        let tag = id3_tag();
        assert!(tag.iter().all(|&byte| byte < 0x80));
        let length = tag[6..10].iter().fold(0, |length, &byte| length << 7 | usize::from(byte));
        assert_eq!(tag.len(), 10 + length);
    }
}
