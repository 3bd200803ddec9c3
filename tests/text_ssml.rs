//! Promise: SSML is read as it is written, or refused with line and column; in pieces as whole.

use syrinx::lab::text::{Said, Speller, Ssml};
use syrinx::{Error, ErrorKind};
use syrinx_quant::manifest::{Normalise, Text};

fn speller() -> Speller {
    let text = Text { normalise: Normalise::Language("en".to_owned()), ..Text::default() };
    Speller::new(&text).expect("the built-in rules are sound")
}

/// Words, with pauses and marks between them in brackets.
fn line(said: &[Said]) -> String {
    let each = |said: &Said| if said.said.is_empty() { format!("[{}]", said.by) } else { said.said.clone() };
    said.iter().map(each).collect::<Vec<_>>().join(" ")
}

/// Where one phrase is prepared.
fn explain(document: &str, mode: Ssml) -> Result<Vec<Said>, Error> {
    speller().explain(document, Some(mode), [&"bell".to_owned()])
}

fn read(document: &str) -> String {
    line(&explain(document, Ssml::Strict).unwrap_or_else(|e| panic!("{document}: {e}")))
}

fn refused(document: &str) -> Error {
    explain(document, Ssml::Strict).expect_err(document)
}

fn lenient(document: &str) -> String {
    line(&explain(document, Ssml::Lenient).unwrap_or_else(|e| panic!("{document}: {e}")))
}

#[test]
fn a_document_is_read_with_its_pauses_and_marks() {
    let document = "<?xml version=\"1.0\"?>\n<speak version=\"1.1\" xmlns=\"http://www.w3.org/2001/10/synthesis\">\n\
                    <p><s>Turn left in 300 m</s><s>Then &lt;stop&gt; &amp; wait.</s></p>\n<break time=\"1.5s\"/> \
                    <mark name=\"here\"/>Go on. <break strength=\"strong\"/><break strength=\"none\"/></speak>\n";
    assert_eq!(
        read(document),
        "Turn left in three hundred metres. Then stop and wait. [pause 1500 ms] [mark here] Go on. [pause 700 ms]"
    );
}

#[test]
fn say_as_reads_a_text_as_what_it_is() {
    for (kind, format, text, said) in [
        ("cardinal", "", "1,200", "one thousand two hundred"),
        ("ordinal", "", "3", "third"),
        ("digits", "", "2050", "two zero five zero"),
        ("characters", "", "Ab1", "A B one"),
        ("verbatim", "", "a-b", "A dash B"),
        ("verbatim", "", ",;(!", "comma semicolon left paren exclamation mark"),
        ("date", "ymd", "2026/03/04", "the fourth of March, twenty twenty-six"),
        ("date", "mdy", "3-4-2026", "the fourth of March, twenty twenty-six"),
        ("date", "dm", "4.3.", "the fourth of March"),
        ("date", "my", "3/1999", "March nineteen ninety-nine"),
        ("date", "y", "1999", "nineteen ninety-nine"),
        ("time", "hms24", "14:05", "fourteen oh five"),
        ("telephone", "", "+44 20-7946", "plus four four, two zero, seven nine four six"),
        ("currency", "", "$3.50", "three dollars and fifty cents"),
        ("unit", "", "5km", "five kilometres"),
        ("address", "", "12 N Main St", "twelve North Main Street"),
    ] {
        let document = format!("<speak><say-as interpret-as=\"{kind}\" format=\"{format}\">{text}</say-as></speak>");
        let is = read(&document);
        let is = is.trim_end_matches('.');
        assert_eq!(is.to_lowercase(), said.to_lowercase(), "{document}");
    }
    assert!(
        refused("<speak><say-as interpret-as=\"date\" format=\"dm\">4.13.</say-as></speak>")
            .message()
            .contains("4.13.")
    );
    assert_eq!(lenient("<speak>a <say-as interpret-as=\"cow\">12</say-as></speak>"), "a twelve.");
}

#[test]
fn a_substitute_is_read_in_place_and_keeps_the_place() {
    let document = "<speak>The <sub alias=\"World Wide Web Consortium\">W3C</sub> met.</speak>";
    let said = explain(document, Ssml::Strict).unwrap();
    assert_eq!(line(&said), "The World Wide Web Consortium met.");
    let start = document.find("<sub").expect("it is there");
    assert!(said[1..5].iter().all(|word| word.chars.start == start), "{said:?}");
    let met = document.find("met").expect("it is there");
    assert_eq!(said[5].chars.start, met);
}

#[test]
fn a_prepared_phrase_is_heard_in_place_of_its_text() {
    let document = "<speak>Next stop <audio src='bell'>ding</audio> Main Street.</speak>";
    assert_eq!(read(document), "Next stop. [audio bell] Main Street.");
    let unknown = document.replace("bell", "gong");
    assert!(refused(&unknown).message().contains("gong"));
    assert_eq!(lenient(&unknown), "Next stop ding Main Street.");
    assert_eq!(refused("<speak><audio/></speak>").kind(), ErrorKind::BadText);
}

#[test]
fn what_cannot_be_heard_is_refused_where_it_stands() {
    for (document, place, kind, what) in [
        ("<speak>\n a <phoneme ph=\"x\">b</phoneme></speak>", "line 2, column 4", ErrorKind::Unsupported, "sub"),
        ("<speak><voice name=\"x\">a</voice></speak>", "line 1, column 8", ErrorKind::Unsupported, "voice"),
        ("<speak><audio src=\"x\"/></speak>", "line 1, column 8", ErrorKind::Unsupported, "audio"),
        ("<speak>\n\n<lang xml:lang=\"xx\">a</lang></speak>", "line 3, column 1", ErrorKind::Unsupported, "xx"),
        ("<speak><break time=\"2 hours\"/></speak>", "line 1, column 8", ErrorKind::BadText, "500ms"),
        ("<speak><break time=\"61s\"/></speak>", "line 1, column 8", ErrorKind::BadText, "60 s"),
        ("<speak><mark/></speak>", "line 1, column 8", ErrorKind::BadText, "name"),
        ("<speak><phoneme ph=\"k;t\">b</phoneme></speak>", "line 1, column 8", ErrorKind::BadText, "`;`"),
        ("<speak><cow/></speak>", "line 1, column 8", ErrorKind::BadText, "cow"),
        ("<speak>é</p></speak>", "line 1, column 9", ErrorKind::BadText, "</p>"),
        ("<speak>a", "line 1, column 9", ErrorKind::BadText, "speak"),
        ("<speak>a &cow; b</speak>", "line 1, column 10", ErrorKind::BadText, "cow"),
        ("<speak>a & b</speak>", "line 1, column 10", ErrorKind::BadText, ""),
        ("hello", "line 1, column 1", ErrorKind::BadText, "speak"),
        ("", "line 1, column 1", ErrorKind::BadText, "not SSML"),
        ("<speak>a</speak>b", "line 1, column 17", ErrorKind::BadText, "outside"),
        ("<speak><prosody volume=\"much\">a</prosody></speak>", "line 1, column 8", ErrorKind::BadText, "-6dB"),
        ("<speak><prosody rate=\"much\">a</prosody></speak>", "line 1, column 8", ErrorKind::BadText, "120%"),
        ("<speak>a\n<prosody pitch=\"high\">b</prosody></speak>", "line 2, column 1", ErrorKind::Unsupported, "pitch"),
        ("<speak><prosody range=\"+10%\">b</prosody></speak>", "line 1, column 8", ErrorKind::Unsupported, "range"),
        ("<speak><emphasis level=\"big\">a</emphasis></speak>", "line 1, column 8", ErrorKind::BadText, "moderate"),
    ] {
        let error = refused(document);
        assert_eq!(error.kind(), kind, "{document}: {error}");
        assert!(error.message().contains(&format!("SSML, {place}:")), "{document}: {error}");
        assert!(error.message().contains(what) && !error.message().contains('\n'), "{document}: {error}");
    }
}

#[test]
fn lenient_reading_passes_over_what_cannot_be_heard() {
    for (document, said) in [
        ("<speak>a <phoneme ph=\"x\">bee</phoneme> c</speak>", "a bee c."),
        ("<voice name=\"x\">Hello</voice> <audio src=\"x\">there</audio>", "Hello there."),
        ("<speak>1 < 2 & 3 &cow;<p>tea</s></speak>", "one less than two and three and cow. tea."),
        ("plain text", "plain text."),
        ("<speak><prosody pitch=\"high\" rate=\"fast\">a</prosody> b</speak>", "a. b."),
        ("<speak><break time=\"2 hours\"/>a", "a."),
        ("<speak><lang xml:lang=\"xx\">a</lang> b", "a b."),
    ] {
        assert_eq!(lenient(document), said, "{document}");
    }
}

#[test]
fn what_is_emphasised_stands_between_pauses() {
    assert_eq!(
        read("<speak>Take the <emphasis level=\"strong\">second</emphasis> exit</speak>"),
        "Take the [pause 150 ms] second [pause 150 ms] exit."
    );
    assert_eq!(read("<speak>a <emphasis>b</emphasis> c</speak>"), "a [pause 80 ms] b [pause 80 ms] c.");
    assert_eq!(read("<speak>a <emphasis level=\"none\">b</emphasis> c</speak>"), "a b c.");
}

#[test]
fn a_language_of_a_part_is_read_by_its_rules() {
    assert_eq!(
        read("<speak>On 3 May <lang xml:lang=\"de\">am 3. Mai</lang> and 3</speak>").to_lowercase(),
        "on the third of may. am dritten mai. and three."
    );
}
