//! An etcd database of any bytes: everything that is read of one. The check sums of its two heads are set right, so that
//! what they say is believed.
#![no_main]

use std::ops::ControlFlow;

use kuberescue::formats::bolt::{Order, Reader};
use kuberescue::formats::etcd::{Database, Stored, cluster_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = data.to_vec();
    for size in [512, 4096] {
        set_check_sum(&mut file, 16);
        set_check_sum(&mut file, size + 16);
    }
    let mut pages = file.as_slice();
    let Ok(mut database) = Database::open(&mut pages) else { return };
    let size = file.len();
    assert!(
        database.in_use().is_ok_and(|bytes| bytes <= size as u64 + (2 << 16)) || database.in_use().is_err()
    );
    let _ = (
        database.status(),
        database.totals(),
        database.resources("/registry/"),
        cluster_records(&mut database, "/registry/"),
    );
    let (mut names, mut bytes) = (Vec::new(), 0);
    let told = database.live(b"", &mut |entry| {
        names.push(entry.key.to_vec());
        bytes += entry.key.len() + entry.value.len();
        let _ = Stored::parse(entry.value);
        ControlFlow::Continue(())
    });
    assert!(bytes <= size, "no byte is told twice");
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "no key is told twice");
    let mut sorted = Vec::new();
    if told.is_ok() && database.names(b"", &mut |name| sorted.push(name.to_vec())).is_ok() {
        assert_eq!(sorted, names);
    }
    both_ways(&file);
});

/// A bucket that is intact holds the same forwards and backwards.
fn both_ways(mut file: &[u8]) {
    let Ok(mut reader) = Reader::open(&mut file) else { return };
    let mut keys = |order| {
        let mut keys = Vec::new();
        let read = reader.scan(b"key", order, usize::MAX, &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        });
        read.is_ok().then_some(keys)
    };
    if let (Some(forwards), Some(mut backwards)) = (keys(Order::From(&[])), keys(Order::FromEnd)) {
        backwards.reverse();
        assert_eq!(forwards, backwards);
    }
}

/// Of the head that begins there: bbolt's FNV-1a.
fn set_check_sum(file: &mut [u8], at: usize) {
    let Some(head) = file.get_mut(at..at + 64) else { return };
    let sum = head[..56].iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    head[56..].copy_from_slice(&sum.to_le_bytes());
}
