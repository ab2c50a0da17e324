//! What was found out about some content, kept for as long as the program runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Digest;

/// So many answers are kept: of a thousand nodes, each with its own.
const MOST: usize = 32_768;

/// Answers by the digest of what they are about. Only for what depends on nothing else.
#[derive(Debug, Default)]
pub struct Memo(Mutex<BTreeMap<Digest, bool>>);

impl Memo {
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub fn get(&self, about: &Digest) -> Option<bool> {
        self.answers().get(about).copied()
    }

    pub fn keep(&self, about: Digest, answer: bool) {
        let mut answers = self.answers();
        if answers.len() < MOST {
            answers.insert(about, answer);
        }
    }

    /// An answer is put there as a whole, whatever panicked.
    fn answers(&self) -> MutexGuard<'_, BTreeMap<Digest, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
