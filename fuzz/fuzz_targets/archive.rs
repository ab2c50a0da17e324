//! Archives from anywhere, first as they are, then as a tar whose check sums are set right, then as a manifest. What
//! is read is written as an archive of our own and read the same.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::Timestamp;
use kuberescue::disk::{Root, archive};
use kuberescue_fuzz::{scratch, tar, with_check_sums};
use libfuzzer_sys::{Corpus, fuzz_target};

static SCRATCH: LazyLock<PathBuf> = LazyLock::new(scratch);

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, data)) = data.split_first() else { return Corpus::Reject };
    let made;
    let data = match kind % 4 {
        0 => data,
        1 => {
            made = with_check_sums(data);
            &made
        }
        _ => {
            made = tar(&[(archive::MANIFEST.as_bytes(), data), (b"etc/a", b"content")]);
            &made
        }
    };
    let verified = archive::verify(data);
    let Ok((snapshot, manifest)) = archive::read(data) else {
        assert!(verified.is_err(), "verified, and not to be read");
        return Corpus::Keep;
    };
    let verified = verified.expect("read, and not verified");
    assert_eq!(verified.manifest, manifest);
    assert_eq!(verified.bytes, snapshot.size());
    let root = Root::open(&SCRATCH).expect("the scratch directory");
    let about = archive::About {
        version: "1".to_owned(),
        created: manifest.as_ref().map_or(Timestamp::UNIX_EPOCH, |manifest| manifest.created),
        host: String::new(),
        node: String::new(),
        command: String::new(),
        reason: String::new(),
    };
    let written = archive::write(&root, None, &snapshot, &about).expect("what was read");
    let (again, _) = archive::open(&written.path).expect("what was written");
    std::fs::remove_file(&written.path).expect("our own file");
    assert_eq!(again, snapshot);
    Corpus::Keep
});
