//! One speech's text on its way to the model. In: text as it comes. Out: its clauses, in order, each spelled when it is
//! asked for, and from any clause on again.
//!
//! Text is split and spelled no further than the next clause needs, so that the first sound does not wait for a long
//! text; what comes out does not depend on that, nor on how the text was cut up.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::markup::Markup;
use super::position::ClauseText;
use crate::error::{Error, ErrorKind, Result};
use crate::text::Speller;
use crate::text::clause::{Clause, ClauseEnd, Clauses, Policy};
use crate::text::phones::Phones;
use crate::text::ssml::{Item, Prosody};

/// Text that has waited so long for its clause to end is spoken without, where nothing is heard meanwhile: at the
/// beginning, and later.
const FIRST_LATE: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_millis(500);
/// Where something is, text may wait longer: until so long before silence comes, but not longer than this in all.
const LEAD: Duration = Duration::from_millis(200);
const LATEST: Duration = Duration::from_millis(1500);
/// How soon it is looked again where it is not known yet when silence comes.
const LOOK: Duration = Duration::from_millis(20);
/// Text that is split at a time.
const PIECE_BYTES: usize = 1024;

/// The next clause, where one is known.
#[derive(Debug)]
pub(super) enum Known {
    Clause(Arc<ClauseText>),
    NotYet,
    NoMore,
    /// The document is broken off here.
    Broken,
}

#[derive(Debug)]
pub(super) struct Reading {
    speller: Arc<Speller>,
    splitter: Clauses,
    inbox: Inbox,
    /// The splitter has had some text, or the word that there is no more; the text is complete; the splitter knows that.
    begun: bool,
    finished: bool,
    closed: bool,
    /// The last clause ended within a sentence.
    in_sentence: bool,
    /// Bytes of the text that are in clauses.
    bytes: usize,
    /// Clauses that may still be spoken, from number `forgotten` on.
    clauses: VecDeque<Arc<ClauseText>>,
    forgotten: usize,
    /// When the oldest text that is in no clause came.
    waiting_since: Option<Instant>,
    /// Where the text is SSML.
    markup: Option<Markup>,
}

impl Reading {
    /// Most bytes of text that may wait to be spoken.
    pub const MAX_WAITING_BYTES: usize = 1 << 20;

    pub fn new(speller: &Arc<Speller>, policy: Policy, markup: Option<Markup>) -> Self {
        Self {
            markup,
            splitter: speller.splitter(policy),
            speller: speller.clone(),
            inbox: Inbox::default(),
            begun: false,
            finished: false,
            closed: false,
            in_sentence: false,
            bytes: 0,
            clauses: VecDeque::new(),
            forgotten: 0,
            waiting_since: None,
        }
    }

    /// Adds text. Errors: `Ended` after [`Reading::finish`], `Busy` where too much waits; `BadText` and `Unsupported` of
    /// SSML, with line and column.
    pub fn push(&mut self, text: &str) -> Result<()> {
        if self.finished {
            return Err(Error::new(ErrorKind::Ended, "the text of this speech is complete: begin another"));
        }
        check_waiting(self.waiting_bytes(), text)?;
        if let Some(markup) = &mut self.markup {
            self.waiting_since.get_or_insert_with(Instant::now);
            return markup.push(text);
        }
        if !text.is_empty() {
            self.inbox.push(text);
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Bytes that have not been split yet.
    pub fn waiting_bytes(&self) -> usize {
        self.inbox.waiting().len() + self.markup.as_ref().map_or(0, Markup::waiting_bytes)
    }

    /// The text is complete.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true)
            && let Some(markup) = &mut self.markup
        {
            markup.finish();
        }
    }

    /// What is wrong with the document, where a clause is [`Known::Broken`].
    pub fn fault(&mut self) -> Option<Error> {
        self.markup.as_mut()?.fault.take()
    }

    /// What is there is a clause, without the end of its sentence.
    pub fn flush(&mut self) {
        while self.feed_splitter() {}
        self.splitter.flush_pending();
        self.waiting_since = None;
        self.collect();
    }

    /// Clauses before this one are not asked for again.
    pub fn forget(&mut self, oldest: usize) {
        while self.forgotten < oldest && self.clauses.pop_front().is_some() {
            self.forgotten += 1;
        }
    }

    /// A clause by its number.
    pub fn clause(&mut self, number: usize) -> Known {
        loop {
            if let Some(text) = number.checked_sub(self.forgotten).and_then(|i| self.clauses.get(i)) {
                return Known::Clause(text.clone());
            }
            let known = self.clauses.len();
            while self.clauses.len() == known && self.feed_splitter() {
                self.collect();
            }
            if self.clauses.len() == known {
                return match &self.markup {
                    Some(markup) if self.finished && markup.fault.is_some() => Known::Broken,
                    _ if self.finished => Known::NoMore,
                    _ => Known::NotYet,
                };
            }
        }
    }

    /// Hands a piece of text on to the splitter, or tells it that there is no more. False where neither is left to do.
    /// Text that is complete by then is not waited for: it is spoken by whole sentences.
    fn feed_splitter(&mut self) -> bool {
        if !std::mem::replace(&mut self.begun, true) && self.finished {
            self.splitter = self.speller.splitter(Policy::sentences());
        }
        if let Some(item) = self.markup.as_mut().and_then(Markup::next) {
            self.take(item);
            return true;
        }
        let piece = self.inbox.next(PIECE_BYTES);
        if piece.is_empty() {
            let last = self.finished && !std::mem::replace(&mut self.closed, self.finished);
            if last {
                self.splitter.finish();
            }
            return last;
        }
        self.splitter.push(piece);
        true
    }

    /// What a document says goes to the splitter, or becomes a clause of its own.
    fn take(&mut self, item: Item) {
        match item {
            Item::Text(text, places) => {
                self.inbox.push(&text);
                self.splitter.push(self.inbox.next(usize::MAX));
                self.with_markup(|markup| markup.add_places(places));
            }
            Item::Phones(text, places, phones) => {
                let at = self.pushed_chars();
                self.with_markup(|markup| markup.add_phones(at..at + places.len(), phones));
                self.take(Item::Text(text, places));
            }
            Item::Mark(name) => {
                let at = self.pushed_chars();
                self.with_markup(|markup| markup.add_mark(at, name));
            }
            Item::Cut => self.cut(ClauseEnd::Final),
            Item::Phrase => self.cut(ClauseEnd::Phrase),
            Item::Break { ms } => {
                self.cut(ClauseEnd::Final);
                let pause = self.markup.as_mut().map(|markup| markup.pause(ms));
                self.clauses.extend(pause.map(Arc::new));
            }
            Item::Audio(name) => {
                self.cut(ClauseEnd::Final);
                let sound = self.markup.as_mut().and_then(|markup| markup.sound(&name));
                self.clauses.extend(sound.map(Arc::new));
            }
            Item::Prosody(prosody) => {
                self.cut(ClauseEnd::Final);
                self.with_markup(|markup| markup.prosody = prosody);
            }
            Item::Language(speller) => {
                self.cut(ClauseEnd::Final);
                self.splitter.set_words(speller.clause_words());
                self.speller = speller;
            }
        }
    }

    /// Characters that the splitter has had.
    fn pushed_chars(&self) -> usize {
        self.splitter.start() + self.splitter.waiting().chars().count()
    }

    /// A sentence ends here, or a phrase of it.
    fn cut(&mut self, kind: ClauseEnd) {
        self.splitter.cut(kind);
        self.collect();
    }

    fn with_markup(&mut self, change: impl FnOnce(&mut Markup)) {
        if let Some(markup) = &mut self.markup {
            change(markup);
        }
    }

    fn collect(&mut self) {
        let mut found = false;
        for clause in &mut self.splitter {
            found = true;
            let written = self.inbox.take(clause.end - clause.start);
            let bytes = self.bytes..self.bytes + written.len();
            self.bytes = bytes.end;
            let phones = self.markup.as_mut().map(|markup| markup.phones_of(&clause)).unwrap_or_default();
            let spelled = spell(&self.speller, &clause, &phones, (written, bytes), &mut self.in_sentence);
            self.clauses.extend(
                match &mut self.markup {
                    Some(markup) => markup.place(spelled, &clause),
                    None => spelled,
                }
                .map(Arc::new),
            );
        }
        // Marks behind the last word have no clause.
        if self.closed
            && let Some(last) = self.markup.as_mut().and_then(Markup::last_marks)
        {
            self.clauses.push_back(Arc::new(last));
        }
        if found {
            self.waiting_since = self.splitter.is_waiting().then(Instant::now);
        }
    }

    /// Where the text begins of which nothing is in a clause up to `number`: its characters and what they are.
    pub fn rest(&self, number: usize) -> (usize, String) {
        let known: Vec<_> = self.clauses.iter().skip(number.saturating_sub(self.forgotten)).collect();
        let start = known.first().map_or(self.splitter.start(), |clause| clause.chars.start);
        let unsaid = known.iter().map(|clause| clause.written.trim());
        let waiting = self.splitter.waiting() + self.inbox.waiting();
        let rest: Vec<&str> = unsaid.chain([waiting.trim()]).filter(|text| !text.is_empty()).collect();
        (start, rest.join(" "))
    }

    /// When waiting text is to be flushed, or to be looked at again. `ahead`: the speech that is still to be heard, if
    /// its end is known.
    pub fn late_at(&self, now: Instant, ahead: Option<Duration>) -> Option<Instant> {
        let since = self.waiting_since.filter(|_| !self.finished)?;
        let least = if self.clauses.is_empty() && self.forgotten == 0 { FIRST_LATE } else { LATE };
        let silence = ahead.map_or(now + LOOK, |ahead| now + ahead.saturating_sub(LEAD));
        Some(silence.clamp(since + least, since + LATEST))
    }
}

/// Refuses text that would be too much with what waits already. Errors: `Busy`.
pub(crate) fn check_waiting(waiting_bytes: usize, text: &str) -> Result<()> {
    let most = Reading::MAX_WAITING_BYTES;
    if waiting_bytes + text.len() <= most {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Busy, format!("more than {most} bytes wait to be spoken: push the rest later")))
}

/// Text as it was pushed (of a document, what it says), on its way to clauses: in theirs, what is not to be heard is blotted
/// out.
#[derive(Debug, Default)]
struct Inbox {
    text: String,
    /// Bytes of it that are in clauses, and that the splitter has had.
    taken: usize,
    split: usize,
}

impl Inbox {
    fn push(&mut self, text: &str) {
        self.text.drain(..self.taken);
        self.split -= std::mem::take(&mut self.taken);
        self.text.push_str(text);
    }

    /// What the splitter has not had.
    fn waiting(&self) -> &str {
        self.text.get(self.split..).unwrap_or_default()
    }

    /// The next of that for the splitter: some `most` bytes, if there are so many.
    fn next(&mut self, most: usize) -> &str {
        let waiting = self.waiting();
        let end = (most.min(waiting.len())..=waiting.len()).find(|&end| waiting.is_char_boundary(end));
        let start = self.split;
        self.split += end.unwrap_or(waiting.len());
        self.text.get(start..self.split).unwrap_or_default()
    }

    /// The next so many characters, for a clause.
    fn take(&mut self, chars: usize) -> String {
        let rest = self.text.get(self.taken..).unwrap_or_default();
        let bytes = rest.char_indices().nth(chars).map_or(rest.len(), |(byte, _)| byte);
        let taken = rest.get(..bytes).unwrap_or_default().to_owned();
        self.taken += bytes;
        taken
    }
}

/// `None` where nothing of the clause can be spoken.
fn spell(
    speller: &Speller,
    clause: &Clause,
    phones: &[(Range<usize>, Phones)],
    (written, bytes): (String, Range<usize>),
    in_sentence: &mut bool,
) -> Option<ClauseText> {
    let spoken = speller.spell_with(clause, phones);
    if spoken.text.trim().is_empty() {
        return None;
    }
    let open = matches!(clause.kind, ClauseEnd::Phrase | ClauseEnd::Forced);
    let follows = std::mem::replace(in_sentence, open);
    let (chars, places) = (clause.start..clause.end, Vec::new());
    let (interlude, prosody, marks) = (None, Prosody::default(), Vec::new());
    Some(ClauseText { spoken, written, places, chars, bytes, follows, interlude, prosody, marks })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use syrinx_quant::manifest::{Normalise, Text};

    use super::*;
    use crate::text::Pronunciation;
    use crate::text::ssml::Ssml;

    fn reading(policy: Policy) -> Reading {
        Reading::new(&Arc::new(Speller::new(&Default::default()).unwrap()), policy, None)
    }

    #[test]
    fn text_waits_for_its_clause_as_long_as_something_else_is_heard_but_not_for_ever() {
        let mut reading = reading(Policy::default());
        let now = Instant::now();
        assert_eq!(reading.late_at(now, Some(Duration::ZERO)), None, "nothing waits");
        reading.push("and so ").unwrap();
        reading.waiting_since = Some(now);
        let ms = |ms: u64| Some(Duration::from_millis(ms));
        let late = |later: u64, ahead: Option<Duration>| {
            let at = reading.late_at(now + Duration::from_millis(later), ahead);
            at.map(|at| (at - now).as_millis())
        };
        assert_eq!(late(0, ms(0)), Some(250), "nothing is heard");
        assert_eq!(late(0, ms(900)), Some(700), "700 ms later, 200 ms are left to begin with it");
        assert_eq!(late(0, ms(9000)), Some(1500), "not for ever");
        assert_eq!(late(400, ms(0)), Some(400), "silence has come");
        assert_eq!(late(400, None), Some(420), "the end is not known yet");
        reading.push("so it was. And ").unwrap();
        assert!(matches!(reading.clause(0), Known::Clause(_)));
        reading.waiting_since = Some(now);
        let at = reading.late_at(now, ms(0)).unwrap();
        assert_eq!((at - now).as_millis(), 500, "what follows a clause may take longer");
    }

    #[test]
    fn a_long_text_is_read_no_further_than_its_next_clause() {
        let mut reading = reading(Policy::sentences());
        reading.push(&"This is one of very many sentences. ".repeat(10_000)).unwrap();
        reading.finish();
        assert!(matches!(reading.clause(0), Known::Clause(_)));
        assert!(
            reading.inbox.split <= 2 * PIECE_BYTES,
            "{} bytes were split for the first clause",
            reading.inbox.split
        );
        let count = (0..).take_while(|&i| matches!(reading.clause(i), Known::Clause(_))).count();
        assert_eq!(count, 10_000);
    }

    #[test]
    fn clauses_know_their_bytes_and_their_characters() {
        let mut reading = reading(Policy::sentences());
        reading.push("Über älteren Öfen wärmt es. Danach ist es kühler.").unwrap();
        reading.finish();
        let Known::Clause(second) = ({ (reading.clause(0), reading.clause(1)).1 }) else { panic!("two clauses") };
        assert_eq!((second.chars.clone(), second.bytes.clone()), (27..49, 31..54));
    }

    #[test]
    fn a_clause_behind_one_that_is_partly_blotted_out_knows_its_bytes() {
        let mut reading = reading(Policy::sentences());
        reading.push("It is <think>Ö or O</think>warm here. Danach ").unwrap();
        reading.push("ist es kühler.").unwrap();
        reading.finish();
        let texts = [0, 1].map(|number| match reading.clause(number) {
            Known::Clause(text) => text,
            _ => panic!("two clauses"),
        });
        assert_eq!(texts[0].written, "It is <think>Ö or O</think>warm here.");
        assert_eq!(texts[1].written, " Danach ist es kühler.");
        assert_eq!((texts[1].chars.clone(), texts[1].bytes.clone()), (37..59, 38..61));
    }

    #[test]
    fn a_document_s_phones_are_read_for_the_word_that_they_are_of_alone() {
        let phones = [("k", "\u{e001}"), ("æ", "\u{e002}"), ("t", "\u{e003}")];
        let phones = phones.map(|(ipa, read)| (ipa.to_owned(), read.to_owned())).into();
        let text = Text { normalise: Normalise::Language("en".into()), phones, ..Text::default() };
        let pronunciation = Pronunciation::open(Path::new("."), &text).unwrap().unwrap();
        let speller = Speller::new(&text).unwrap().with_pronunciation(Arc::new(pronunciation));
        let document = "<speak>One. A dog <phoneme ph='kæt'>dog</phoneme> dog. <phoneme ph='tæk'>Two</phoneme></speak>";
        for step in [1, 7, document.len()] {
            let speller = Arc::new(speller.clone());
            let markup = Markup::new(Ssml::Strict, &speller, &Default::default());
            let mut reading = Reading::new(&speller, Policy::sentences(), Some(markup));
            let chars: Vec<char> = document.chars().collect();
            chars.chunks(step).for_each(|piece| reading.push(&piece.iter().collect::<String>()).unwrap());
            reading.finish();
            let mut said = String::new();
            let mut number = 0;
            while let Known::Clause(clause) = reading.clause(number) {
                said += &clause.spoken.text;
                number += 1;
            }
            let said: String = said.chars().filter(|c| !c.is_whitespace()).collect();
            assert_eq!(said, "One.Adog\u{e001}\u{e002}\u{e003}dog.\u{e003}\u{e002}\u{e001}.");
        }
    }

    #[test]
    fn what_was_left_unsaid_is_known() {
        let mut reading = reading(Policy::sentences());
        reading.push("The first one is here. The second one is here. The third").unwrap();
        assert!(matches!(reading.clause(0), Known::Clause(_)));
        assert_eq!(reading.rest(1), (22, "The second one is here. The third".to_owned()));
    }
}
