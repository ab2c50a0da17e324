//! The kubelet's back-off of a container that exits: the first restart is at once, the next waits 10 s from its exit,
//! then 20 s, 40 s … 5 min; forgotten after 10 min without one (client-go's flowcontrol.Backoff as the kubelet uses it).

use std::collections::HashMap;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(300);

pub(super) struct Backoff {
    first: Duration,
    entries: HashMap<String, Entry>,
}

struct Entry {
    wait: Duration,
    updated: Instant,
}

impl Backoff {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, entries: HashMap::new() }
    }

    /// Whether a container that exited `ago` may be started now; if so, the next wait is longer.
    pub(super) fn may_start(&mut self, key: &str, ago: Duration, now: Instant) -> Result<(), Duration> {
        let fresh = |entry: &&mut Entry| now.duration_since(entry.updated) <= LONGEST * 2;
        match self.entries.get_mut(key).filter(fresh) {
            None => {
                self.entries.insert(key.to_owned(), Entry { wait: self.first, updated: now });
            }
            Some(entry) if ago < entry.wait => return Err(entry.wait),
            Some(entry) => {
                entry.wait = (entry.wait * 2).min(LONGEST);
                entry.updated = now;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_each_next_waits_twice_as_long() {
        let (mut backoff, start) = (Backoff::new(Duration::from_secs(10)), Instant::now());
        let mut ask = |ago: u64, at: u64| {
            backoff.may_start("etcd", Duration::from_secs(ago), start + Duration::from_secs(at)).is_ok()
        };
        assert!(ask(0, 0));
        assert!(!ask(9, 20));
        assert!(ask(10, 21));
        assert!(!ask(19, 50));
        assert!(ask(20, 51));
        // Eleven minutes later it is forgotten.
        assert!(ask(0, 51 + 660));
    }
}
