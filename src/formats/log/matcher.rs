//! Which known line a line is. In two steps, so that entire buffers are searched at the speed of memory: a
//! vectorised search for the rare texts of the table, and for a line with one of them a check of all its
//! texts.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::known::{HARMLESS, KnownLine, RARE, known};

/// One bit for each text of the table.
type Texts = u128;

/// The table, prepared for searching.
#[derive(Debug)]
pub struct Matcher {
    rare: AhoCorasick,
    texts: AhoCorasick,
    /// The texts that a line must contain, and its known line; in the order of the table, after what makes a line none.
    rules: Vec<(Texts, Option<&'static KnownLine>)>,
}

impl Matcher {
    /// Prepares the search, which takes some milliseconds.
    ///
    /// # Errors
    /// The table is too large; a test proves that it isn't.
    pub fn new() -> Result<Self, String> {
        let mut texts: Vec<&str> = Vec::new();
        let mut rules = Vec::new();
        let harmless = HARMLESS.iter().map(|text| (std::slice::from_ref(text), None));
        let known =
            known().flat_map(|known| known.patterns.iter().map(move |pattern| (*pattern, Some(known))));
        for (pattern, known) in harmless.chain(known) {
            let mut needed: Texts = 0;
            for text in pattern {
                let number = texts.iter().position(|other| other == text).unwrap_or_else(|| {
                    texts.push(text);
                    texts.len() - 1
                });
                let bit = u32::try_from(number).ok().and_then(|number| Texts::checked_shl(1, number));
                needed |= bit.ok_or("more known texts than bits")?;
            }
            rules.push((needed, known));
        }
        let build = |kind, texts: &[&str]| {
            AhoCorasick::builder()
                .match_kind(kind)
                .kind(Some(AhoCorasickKind::DFA))
                .build(texts)
                .map_err(|error| error.to_string())
        };
        Ok(Self {
            rare: build(MatchKind::LeftmostFirst, RARE)?,
            texts: build(MatchKind::Standard, &texts)?,
            rules,
        })
    }

    /// Where in `text`, from `from` on, a known line may be: beginning and end of the match.
    pub fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let input = Input::new(text).range(from.min(text.len())..);
        self.rare.find(input).map(|found| (found.start(), found.end()))
    }

    pub fn classify(&self, line: &[u8]) -> Option<&'static KnownLine> {
        let mut found: Texts = 0;
        for text in self.texts.find_overlapping_iter(line) {
            found |= Texts::checked_shl(1, text.pattern().as_u32()).unwrap_or(0);
        }
        if found == 0 {
            return None;
        }
        self.rules.iter().find(|(needed, _)| found & needed == *needed).and_then(|(_, known)| *known)
    }
}
