//! Subtitles. In: texts as they stay. Out: the lines of a file, SubRip's or WebVTT's (W3C, 2019), one cue for each text.
//!
//! A text is one line: a line without anything in it would end its cue.

use super::Heard;

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subtitles {
    /// SubRip: numbered, with a comma in its times.
    Srt,
    /// WebVTT.
    Vtt,
}

impl Subtitles {
    /// What a file begins with.
    pub fn head(self) -> &'static str {
        match self {
            Self::Srt => "",
            Self::Vtt => "WEBVTT\n\n",
        }
    }

    /// The cue of a text, the `number`th from 1 on, with the empty line that ends it.
    pub fn cue(self, number: usize, heard: &Heard) -> String {
        let text = heard.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let times = |separator| format!("{} --> {}", clock(heard.start_ms, separator), clock(heard.end_ms, separator));
        match self {
            Self::Srt => format!("{number}\n{}\n{text}\n\n", times(',')),
            Self::Vtt => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                format!("{}\n{text}\n\n", times('.'))
            }
        }
    }
}

/// `01:02:03,456`
fn clock(ms: u64, separator: char) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{separator}{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Heard {
        let text = text.to_owned();
        Heard { text, words: Vec::new(), start_ms: 59_999, end_ms: 3_723_456, is_final: true, language: None }
    }

    #[test]
    fn subtitles_count_hours_minutes_seconds() {
        assert_eq!(Subtitles::Srt.cue(7, &heard("Go on.")), "7\n00:00:59,999 --> 01:02:03,456\nGo on.\n\n");
        assert_eq!(Subtitles::Vtt.cue(7, &heard("Go on.")), "00:00:59.999 --> 01:02:03.456\nGo on.\n\n");
    }

    #[test]
    fn no_text_ends_its_cue_or_is_taken_for_a_mark() {
        let text = "a\n\nb <i> & 1 --> 2";
        assert!(Subtitles::Vtt.cue(1, &heard(text)).ends_with("\na b &lt;i&gt; &amp; 1 --&gt; 2\n\n"));
        assert!(Subtitles::Srt.cue(1, &heard(text)).ends_with("\na b <i> & 1 --> 2\n\n"));
    }
}
