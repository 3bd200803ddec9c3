//! Promise: speech is repeatable. The same text, voice and seed give the same samples, whatever the threads, the cache
//! or what was spoken before.

mod support;

use std::path::Path;

use support::{TinyPack, success};
use syrinx::lab::speak::Guards;
use syrinx::options::{Lexicon, Ssml};
use syrinx::{Ending, ErrorKind, Model, ModelOptions, Next, Phrase, Session, SessionOptions, SpeakOptions};
use syrinx_quant::Recipe;

const TEXT: &str = "Hello world, this is a small test. And this is another one.";

fn options(seed: u64) -> SpeakOptions {
    SpeakOptions::default().seed(seed).max_frames(12u64)
}

fn open(pack: &TinyPack, model: ModelOptions) -> Session {
    open_again(&Model::open(pack.dir(), model).unwrap())
}

fn open_again(model: &Model) -> Session {
    let guards = Guards { most_frames_per_char: 0.0, repetition_frames: 0, silence_frames: 0, ..Guards::default() };
    model.session(SessionOptions::default().guards(guards)).unwrap()
}

/// The samples up to the budget: the tiny model does not come to an end by itself.
fn speak(session: &mut Session, text: &str, options: &SpeakOptions) -> Vec<f32> {
    let mut blocks = session.speak(text, options).unwrap();
    let samples: Vec<f32> = blocks.by_ref().map_while(Result::ok).flatten().collect();
    assert_eq!(blocks.summary().ending, Some(Ending::Budget));
    samples
}

#[test]
fn the_same_seed_gives_the_same_samples_and_another_seed_others() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let first = speak(&mut session, TEXT, &options(1));
    assert_eq!(first.len(), 12 * 1920);
    assert!(first == speak(&mut session, TEXT, &options(1)), "a second time");
    assert!(first != speak(&mut session, TEXT, &options(2)), "another seed");
    let other_voice = options(1).voice("casual_male".to_owned());
    assert!(first != speak(&mut session, TEXT, &other_voice), "another voice");
    assert!(first == speak(&mut session, TEXT, &options(1)), "after another voice");
}

#[test]
fn threads_of_the_kernels_do_not_change_a_sample() {
    let pack = TinyPack::import(Recipe::Q8);
    let one = speak(&mut open(&pack, ModelOptions::default()), TEXT, &options(1));
    let two = speak(&mut open(&pack, ModelOptions::default().threads(2usize)), TEXT, &options(1));
    assert!(one == two);
}

#[test]
fn a_cached_voice_prefix_gives_the_same_samples() {
    let pack = TinyPack::import(Recipe::Q8);
    let folder = tempfile::tempdir().unwrap();
    let on_disk = || ModelOptions::default().prefix_folder(folder.path().to_owned());
    let without = speak(&mut open(&pack, ModelOptions::default()), TEXT, &options(1));
    let writing = speak(&mut open(&pack, on_disk()), TEXT, &options(1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let reading = speak(&mut open(&pack, on_disk()), TEXT, &options(1));
    assert!(without == writing && writing == reading);
}

#[test]
fn a_damaged_prefix_file_is_computed_again() {
    let pack = TinyPack::import(Recipe::Q8);
    let folder = tempfile::tempdir().unwrap();
    let on_disk = || ModelOptions::default().prefix_folder(folder.path().to_owned());
    let expected = speak(&mut open(&pack, on_disk()), TEXT, &options(1));
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(expected == speak(&mut open(&pack, on_disk()), TEXT, &options(1)));
}

#[test]
fn a_cancelled_speech_stops_before_its_next_frame_and_the_next_text_is_spoken() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let whole = speak(&mut session, TEXT, &options(1));
    let mut speech = session.speak(TEXT, &options(1)).unwrap();
    let canceller = speech.canceller();
    assert!(speech.next().is_some());
    std::thread::spawn(move || canceller.cancel()).join().unwrap();
    assert!(speech.next().is_none());
    assert_eq!(speech.summary().ending, Some(Ending::Cancelled));
    drop(speech);
    let mut at_once = session.speak(TEXT, &options(1)).unwrap();
    at_once.canceller().cancel();
    assert!(at_once.next().is_none(), "a cancel before the first block is not forgotten");
    drop(at_once);
    assert!(whole == speak(&mut session, TEXT, &options(1)));
}

#[test]
fn what_a_budget_leaves_unsaid_is_an_error_that_says_it() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let mut speech = session.speak(TEXT, &options(1)).unwrap();
    let unsaid = speech.by_ref().find_map(Result::err).expect("an error at the end");
    assert_eq!(unsaid.kind(), ErrorKind::OutOfBudget);
    assert!(unsaid.message().contains("from character 34 on") && unsaid.message().contains("And this is"), "{unsaid}");
    assert_eq!(speech.next_into(&mut vec![0.0; 1920]).unwrap(), Next::End(Ending::Budget));
}

#[test]
fn text_in_pieces_gives_the_samples_of_the_whole_text() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let whole = speak(&mut session, TEXT, &options(1));
    for length in [1, 7, 33] {
        let mut speech = session.speech(&options(1).whole_sentences(true)).unwrap();
        let mut pcm = vec![0.0; speech.samples_per_block()];
        let mut samples = Vec::new();
        let mut pieces = TEXT.as_bytes().chunks(length).map(|piece| std::str::from_utf8(piece).unwrap());
        loop {
            match speech.next_into(&mut pcm) {
                Ok(Next::Audio(_)) => samples.extend_from_slice(&pcm),
                Ok(Next::NeedText { .. }) => match pieces.next() {
                    Some(piece) => speech.push(piece).unwrap(),
                    None => speech.finish(),
                },
                _ => break,
            }
        }
        assert!(samples == whole, "pieces of {length} bytes");
    }
}

#[test]
fn a_pause_is_exact_to_the_sample_and_a_mark_stands_where_it_ends() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let plain = speak(&mut session, TEXT, &options(1));
    let document = format!("<speak><break time=\"123ms\"/><mark name=\"go\"/>{TEXT}</speak>");
    let mut speech = session.speak(&document, &options(1).ssml(Some(Ssml::Strict))).unwrap();
    let mut pcm = vec![0.0; speech.samples_per_block()];
    let (mut samples, mut marks) = (Vec::new(), Vec::new());
    loop {
        match speech.next_into(&mut pcm) {
            Ok(Next::Audio(block)) => samples.extend_from_slice(&pcm[..block.samples]),
            Ok(Next::Mark { name, sample }) => marks.push((name, sample)),
            _ => break,
        }
    }
    let pause = 123 * 24;
    assert!(samples.len() == pause + plain.len() && samples[..pause].iter().all(|&x| x == 0.0));
    assert!(samples[pause..] == plain);
    assert_eq!(marks, [("go".to_owned(), pause as u64)]);
}

#[test]
fn a_prepared_phrase_is_heard_in_a_document_to_the_sample_and_as_loud_as_it_says() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let plain = speak(&mut session, TEXT, &options(1));
    // Two channels of 16 bits, longer than a block.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bell.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 24_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&file, spec).unwrap();
    let bell: Vec<f32> = (0..3000_i16).map(|i| f32::from(i * 5) / 32_768.0).collect();
    (0..3000_i16).for_each(|i| [i * 4, i * 6].into_iter().for_each(|sample| wav.write_sample(sample).unwrap()));
    wav.finalize().unwrap();
    let phrases = [("bell".to_owned(), Phrase::open(&file, "ding").unwrap())];
    let options = options(1).ssml(Some(Ssml::Strict)).phrases(phrases);
    let document = format!("<speak><audio src=\"bell\">ding</audio>{TEXT}</speak>");
    let samples = speak(&mut session, &document, &options);
    assert!(samples[..bell.len()] == bell && samples[bell.len()..] == plain);
    let soft = format!("<speak><prosody volume=\"-6dB\"><audio src=\"bell\"/></prosody>{TEXT}</speak>");
    let gain = 10f32.powf(-0.3);
    assert!(speak(&mut session, &soft, &options).iter().zip(&bell).all(|(soft, sample)| *soft == sample * gain));
}

#[test]
fn volume_scales_the_samples_and_nothing_else() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let plain = speak(&mut session, TEXT, &options(1));
    let document = format!("<speak><prosody volume=\"-6dB\">{TEXT}</prosody></speak>");
    let soft = speak(&mut session, &document, &options(1).ssml(Some(Ssml::Strict)));
    let gain = 10f32.powf(-0.3);
    assert!(soft.len() == plain.len() && soft.iter().zip(&plain).all(|(soft, plain)| *soft == plain * gain));
}

#[test]
fn a_document_is_refused_with_line_and_column() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let refused = session.speak("<speak>\n<cow/></speak>", &options(1).ssml(Some(Ssml::Strict))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BadText);
    assert!(refused.message().contains("line 2, column 1"), "{refused}");
    let mut cut = session.speak("<speak>Hello.", &options(1).ssml(Some(Ssml::Strict))).unwrap();
    assert!(
        cut.any(|block| block.is_err_and(|e| e.kind() != ErrorKind::Busy)),
        "its end is missing, or its budget was used up"
    );
}

#[test]
fn a_lexicon_changes_what_is_spoken_of_a_session_or_a_speech() {
    let pack = TinyPack::import(Recipe::Q8);
    let model = Model::open(pack.dir(), ModelOptions::default()).unwrap();
    let lexicon = Lexicon::parse("world\tplanet\n", "mine").unwrap();
    let mut plain = open_again(&model);
    let other = speak(&mut plain, &TEXT.replace("world", "planet"), &options(1));
    assert!(other != speak(&mut plain, TEXT, &options(1)));
    assert!(other == speak(&mut plain, TEXT, &options(1).lexicon(Some(lexicon.clone()))), "of the speech");
    let guards = Guards { most_frames_per_char: 0.0, repetition_frames: 0, silence_frames: 0, ..Guards::default() };
    drop(plain);
    let options_of = SessionOptions::default().guards(guards).lexicon(Some(lexicon));
    assert!(other == speak(&mut model.session(options_of).unwrap(), TEXT, &options(1)), "of the session");
    let phones = Lexicon::parse("world\t/wɜːld/\n", "mine").unwrap();
    let refused = open_again(&model).speak(TEXT, &options(1).lexicon(Some(phones))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let said = model.read("Hello world.", &SpeakOptions::default()).unwrap();
    assert_eq!(said.iter().map(|word| word.said.as_str()).collect::<Vec<_>>(), ["Hello", "world."]);
}

#[test]
fn eight_sessions_that_take_turns_give_the_samples_of_one_alone() {
    let pack = TinyPack::import(Recipe::Q8);
    let alone = open(&pack, ModelOptions::default());
    let model = alone.model().clone();
    let expected: Vec<_> = (0..8).map(|seed| speak(&mut open_again(&model), TEXT, &options(seed))).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let speaking = (0..8).map(|seed| {
            let model = model.clone();
            scope.spawn(move || speak(&mut open_again(&model), TEXT, &options(seed)))
        });
        speaking.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(expected == together);
}

#[test]
fn the_program_and_the_library_give_the_same_samples() {
    let pack = TinyPack::import(Recipe::Q8);
    let (dir, out) = (pack.dir(), pack.beside("out.wav"));
    let text = |p: &Path| p.to_str().unwrap().to_owned();
    let fixed = ["say", TEXT, "--pack", &text(&dir), "--seed", "1", "--max-seconds", "0.96"];
    success(&[&fixed[..], &["-o", &text(&out)]].concat());
    let raw = success(&[&fixed[..], &["-o", "-"]].concat()).stdout;
    let wav_on_stdout = success(&[&fixed[..], &["-o", "-", "--format", "wav"]].concat()).stdout;

    let expected = speak(&mut open(&pack, ModelOptions::default()), TEXT, &options(1));
    let expected: Vec<i16> = expected.into_iter().map(syrinx::lab::device::wav::to_i16).collect();
    let from_file: Vec<i16> = hound::WavReader::open(&out).unwrap().samples().map(Result::unwrap).collect();
    let from_raw: Vec<i16> = raw.as_chunks::<2>().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
    assert_eq!(from_file, expected);
    assert_eq!(from_raw, expected);
    assert_eq!(wav_on_stdout, std::fs::read(&out).unwrap());
}

#[test]
fn every_word_has_its_time_and_clauses_begin_with_their_marks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en");
    let mut session = Model::open(folder, ModelOptions::default()).unwrap().session(SessionOptions::default()).unwrap();
    let text = "Turn left in 300 m. Then “keep right” at the café.";
    let mut speech = session.speak(text, &SpeakOptions::default()).unwrap();
    let mut block = vec![0.0; speech.samples_per_block()];
    let (mut marks, mut words, mut samples) = (Vec::new(), Vec::new(), 0);
    while let Next::Audio(block) = speech.next_into(&mut block).unwrap() {
        samples += block.samples as u64;
        marks.extend(block.mark);
        words.extend(speech.take_words());
    }
    words.extend(speech.take_words());
    assert!(speech.take_words().is_empty(), "each is given once");
    assert_eq!(speech.position_bytes(), text.len());
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(texts, text.split_whitespace().collect::<Vec<_>>());
    assert!(words.iter().all(|word| text[word.bytes.clone()] == word.text));
    assert!(words.windows(2).all(|pair| pair[0].samples.end <= pair[1].samples.start), "{words:?}");
    let starts = |word: &str| words.iter().find(|w| w.text == word).unwrap().samples.start;
    assert_eq!([starts("Turn"), starts("Then")], [marks[0].sample, marks[1].sample]);
    assert_eq!(words.last().unwrap().samples.end, samples);
}

#[test]
fn words_of_a_document_have_their_places_in_it_and_their_times() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/wren-en");
    let mut session = Model::open(folder, ModelOptions::default()).unwrap().session(SessionOptions::default()).unwrap();
    let text = "<speak>Turn <sub alias=\"left\">L</sub> in 300&#32;m.<break time=\"200ms\"/> Then go.</speak>";
    let mut speech = session.speak(text, &SpeakOptions::default().ssml(Ssml::Strict)).unwrap();
    let samples: Vec<f32> = speech.by_ref().flat_map(Result::unwrap).collect();
    let words = speech.take_words();
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(texts, ["Turn", "left", "in", "300", "m.", "Then", "go."]);
    let places: Vec<&str> = words.iter().map(|word| &text[word.bytes.clone()]).collect();
    assert_eq!(places, ["Turn", "<", "in", "300", "m.", "Then", "go."], "an alias stands where its element begins");
    assert!(words.windows(2).all(|pair| pair[0].samples.end <= pair[1].samples.start), "{words:?}");
    let pause = words[4].samples.end as usize..words[5].samples.start as usize;
    assert!(
        pause.len() >= 4800 && samples[pause].iter().filter(|&&x| x == 0.0).count() >= 4800,
        "the pause is no word's"
    );
}

#[test]
fn a_speed_or_volume_out_of_range_is_refused() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    for options in [options(1).speed(0.4), options(1).speed(f32::NAN), options(1).volume(-1.0)] {
        assert_eq!(session.speak(TEXT, &options).unwrap_err().kind(), ErrorKind::BadOption);
    }
}

#[test]
fn a_rate_in_a_document_is_the_speed_of_what_it_holds() {
    let pack = TinyPack::import(Recipe::Q8);
    let mut session = open(&pack, ModelOptions::default());
    let fast = speak(&mut session, TEXT, &options(1).speed(2.0));
    for rate in ["x-fast", "200%", "+100%", "2"] {
        let document = format!("<speak><prosody rate=\"{rate}\">{TEXT}</prosody></speak>");
        assert!(speak(&mut session, &document, &options(1).ssml(Some(Ssml::Strict))) == fast, "{rate}");
    }
}
