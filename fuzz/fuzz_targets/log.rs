//! Logs: however the bytes are cut into pieces, the same is found in them.
#![no_main]

use jiff::Timestamp;
use kuberescue::analysis::forensics::timeline::{Origin, Scanner};
use kuberescue::formats::log::Matcher;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let matcher = Matcher::new().expect("a table of texts");
    let now = Timestamp::from_second(1_795_478_400).expect("a time");
    let scan = |size: usize| {
        let mut scanner = Scanner::new(&matcher, Origin::Given("log".to_owned()), now);
        data.chunks(size.max(1)).for_each(|chunk| scanner.feed(chunk));
        format!("{:?}", scanner.finish())
    };
    let size = data.first().map_or(1, |byte| usize::from(*byte));
    assert_eq!(scan(data.len()), scan(size));
});
