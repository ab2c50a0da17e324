//! Feeds the bytes of a log to a scanner: through a fixed buffer, unpacked if gzip, with a limit.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::analysis::forensics::timeline::Scanner;
use crate::state::os;

/// Limit of one unpacked log: the kubelet rotates at 10 MiB, logrotate at some 100 MiB.
const MAX_UNPACKED: u64 = 1 << 30;
/// Limit of all logs of a run: some minutes. A sparse file or many gzip bombs stop here.
const MAX_ALL: u64 = 64 << 30;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What may still be read, for all threads together.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU64::new(MAX_ALL))
    }
}

impl Budget {
    fn spend(&self, bytes: u64) -> bool {
        let spent = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }
}

/// Why a log was not read to its end.
#[derive(Debug)]
pub(super) enum Cut {
    Failed(io::Error),
    /// A compressed one that is damaged or truncated; what came before counts.
    Damaged(io::Error),
    Unpacked,
    All,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // flate2's kind for every fault of gzip.
            Self::Damaged(error) if error.kind() == io::ErrorKind::InvalidInput => {
                write!(f, "not read to its end: its gzip data is damaged")
            }
            Self::Failed(error) | Self::Damaged(error) => {
                write!(f, "not read to its end: {}", os::reason(error))
            }
            Self::Unpacked => {
                write!(f, "not read to its end: it unpacks to more than {} MiB", MAX_UNPACKED >> 20)
            }
            Self::All => write!(f, "not read to its end: more than {} GiB of logs", MAX_ALL >> 30),
        }
    }
}

/// Feeds `scanner` with everything in `input`.
pub(super) fn pump(
    input: &mut impl Read,
    scanner: &mut Scanner<'_>,
    buffer: &mut [u8],
    budget: &Budget,
) -> Option<Cut> {
    let mut start = [0; GZIP.len()];
    let read = match fill(input, &mut start) {
        Ok(read) => read,
        Err(error) => return Some(Cut::Failed(error)),
    };
    let start = start.get(..read).unwrap_or_default();
    if start != GZIP {
        scanner.feed(start);
        return drain(input, scanner, buffer, budget, u64::MAX, Cut::Failed);
    }
    let packed = BufReader::with_capacity(64 << 10, start.chain(input));
    let mut unpacked = MultiGzDecoder::new(packed);
    drain(&mut unpacked, scanner, buffer, budget, MAX_UNPACKED, Cut::Damaged)
}

fn drain(
    input: &mut impl Read,
    scanner: &mut Scanner<'_>,
    buffer: &mut [u8],
    budget: &Budget,
    limit: u64,
    failed: fn(io::Error) -> Cut,
) -> Option<Cut> {
    let mut left = limit;
    loop {
        // A full buffer is searched faster than many small ones.
        let read = match fill(input, buffer) {
            Ok(0) => return None,
            Ok(read) => read,
            Err(error) => return Some(failed(error)),
        };
        let bytes = read as u64;
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return Some(Cut::Unpacked),
        }
        if !budget.spend(bytes) {
            return Some(Cut::All);
        }
        scanner.feed(buffer.get(..read).unwrap_or_default());
    }
}

/// Reads until `buffer` is full or the input ends.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..)
        && !room.is_empty()
    {
        match input.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was read before counts; the error comes again.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
