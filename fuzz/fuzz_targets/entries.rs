//! All entries of a kubeconfig: names are unique, and every file that it names is found from anywhere.
#![no_main]

use std::path::Path;

use kuberescue::formats::kubeconfig::entries::{Entries, Place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(entries) = Entries::parse(data, Path::new("/home/joe/.kube")) else { return };
    for file in entries.files() {
        assert!(file.is_absolute(), "{}", file.display());
    }
    unique(entries.contexts.iter().map(|entry| entry.name.as_str()));
    unique(entries.clusters.iter().map(|entry| entry.name.as_str()));
    unique(entries.users.iter().map(|entry| entry.name.as_str()));
    let authorities = entries.clusters.iter().map(|cluster| &cluster.authority);
    let pairs = entries.users.iter().flat_map(|user| [&user.certificate, &user.key]);
    for place in authorities.chain(pairs).flatten() {
        // What was decoded stood there as a longer text.
        assert!(!matches!(place, Place::Embedded(bytes) if bytes.len() >= data.len()));
    }
    assert!(entries.users.iter().all(|user| user.token.as_ref().is_none_or(|token| !token.is_empty())));
});

fn unique<'a>(names: impl Iterator<Item = &'a str>) {
    let mut names: Vec<_> = names.collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two have one name");
}
