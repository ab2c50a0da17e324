//! The journals and the history as they lie on a disk: what is read is written and read the same, and nothing that is
//! named in them leads out of its directory.
#![no_main]

use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use kuberescue::disk::parking::ParkedJournal;
use kuberescue::disk::transaction::Journal;
use kuberescue::disk::{Root, history};
use kuberescue_fuzz::scratch;
use libfuzzer_sys::fuzz_target;

static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = scratch();
    std::fs::create_dir_all(path.join("var/lib/kuberescue")).expect("its directory");
    path
});

fn stays_inside(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

fuzz_target!(|data: &[u8]| {
    if let Ok(journal) = Journal::parse(data) {
        assert!(journal.changes.iter().all(|record| stays_inside(&record.path)));
        assert!(journal.changes.iter().all(|record| Path::new(&record.stage).components().count() == 1));
        let text = serde_json::to_vec(&journal).expect("a journal");
        assert_eq!(Journal::parse(&text), Ok(journal));
    }
    if let Ok(journal) = ParkedJournal::parse(data) {
        assert!(journal.manifests.iter().all(|manifest| stays_inside(&manifest.path)));
        assert!(journal.manifests.iter().all(|manifest| stays_inside(&manifest.parked_path())));
        let text = serde_json::to_vec(&journal).expect("a journal");
        assert_eq!(ParkedJournal::parse(&text), Ok(journal));
    }
    // A record of the history begins as no journal does.
    if data.windows(8).any(|window| window == b"\"number\"") {
        std::fs::write(SCRATCH.join("var/lib/kuberescue/history.jsonl"), data).expect("our own file");
        let root = Root::open(&SCRATCH).expect("the scratch directory");
        let _check = history::verify(&root).expect("a file that can be read");
    }
});
