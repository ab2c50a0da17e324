//! Our own archives: any tree is written and read the same, and one that was changed afterwards is refused or reads
//! the same.
#![no_main]

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::Timestamp;
use kuberescue::disk::{Root, archive};
use kuberescue::state::Snapshot;
use kuberescue_fuzz::{entries, scratch, with_check_sums};
use libfuzzer_sys::{Corpus, fuzz_target};

static SCRATCH: LazyLock<PathBuf> = LazyLock::new(scratch);

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((flips, data)) = data.split_at_checked(4) else { return Corpus::Reject };
    let plain = |path: &std::path::Path| {
        path.components().collect::<PathBuf>().as_os_str() == path.as_os_str()
            && path.components().all(|part| !matches!(part, std::path::Component::ParentDir))
            && !path.as_os_str().as_encoded_bytes().contains(&0)
    };
    let entries = entries(data).into_iter().filter(|(path, _)| plain(path));
    let snapshot: Snapshot = entries.filter_map(|(path, entry)| Some((path, entry?))).collect();
    let root = Root::open(&SCRATCH).expect("the scratch directory");
    let about = archive::About {
        version: "1".to_owned(),
        created: Timestamp::UNIX_EPOCH,
        host: String::new(),
        node: String::from_utf8_lossy(flips).into_owned(),
        command: String::new(),
        reason: String::new(),
    };
    let written = archive::write(&root, None, &snapshot, &about);
    // A link target with a NUL byte, a path that is a file and a directory: no file system has those.
    let Ok(written) = written else { return Corpus::Reject };
    let bytes = std::fs::read(&written.path).expect("our own file");
    std::fs::remove_file(&written.path).expect("our own file");
    let (again, manifest) = archive::read(&bytes[..]).expect("what was written");
    assert_eq!(again, snapshot);
    let mut tar = Vec::new();
    written_tar(&bytes, &mut tar);
    let at = usize::from(u16::from_le_bytes([flips[0], flips[1]])) * tar.len() / 65536;
    tar[at] ^= flips[2];
    if let Ok((changed, now)) = archive::read(&with_check_sums(&tar)[..])
        && now.map(|now| (now.entries, now.omitted)) == manifest.map(|was| (was.entries, was.omitted))
    {
        assert_eq!(changed, snapshot, "a changed byte was not noticed");
    }
    Corpus::Keep
});

fn written_tar(bytes: &[u8], tar: &mut Vec<u8>) {
    flate2::read::GzDecoder::new(bytes).read_to_end(tar).expect("gzip");
}
