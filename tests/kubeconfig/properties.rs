//! Kubeconfigs that are broken anywhere: nothing panics, and of the current context the check says what the rest of
//! the program reads.

use std::path::Path;
use std::sync::OnceLock;

use kuberescue::analysis::workstation;
use kuberescue::analysis::workstation::Files;
use kuberescue::formats::kubeconfig::Kubeconfig;
use kuberescue::formats::kubeconfig::entries::Entries;
use proptest::prelude::*;

use crate::common::{NOW, Node};
use crate::desk::{cluster, kubeconfig, user};
use crate::server::Authority;

/// Whole kubeconfigs, real and made.
fn whole() -> &'static [Vec<u8>] {
    static WHOLE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let node = Node::of("rsa2048");
        let authority = Authority::new("ca");
        let leaf = authority.leaf("admin");
        let small = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, \
                     cluster: {server: 'https://h', proxy-url: 'http://a:b@c'}}]\nusers: [{name: u, user: {token: \
                     e30.eyJleHAiOjF9.e30, exec: {command: x}}}]\n";
        vec![
            node.read("/etc/kubernetes/admin.conf"),
            node.read("/etc/kubernetes/kubelet.conf"),
            kubeconfig(&cluster("https://h:1", &authority), &user(&leaf, &leaf)).into_bytes(),
            small.as_bytes().to_vec(),
        ]
    })
}

fn look(data: &[u8]) {
    let Ok(entries) = Entries::parse(data, Path::new("/nowhere")) else { return };
    let current = entries.current.as_deref();
    let now = NOW.parse().unwrap();
    let checked = workstation::check(Path::new("config"), &entries, &[&entries], current, &Files::new(), now);
    assert_eq!(checked.len(), entries.contexts.len());
    if let Ok(other) = Kubeconfig::parse(data) {
        let found = checked.iter().find(|context| context.current).expect("the current context");
        assert_eq!((&found.user, &found.cluster), (&other.user, &other.cluster));
        assert_eq!(found.target.server, other.server);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn broken_anywhere(
        which in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut data = whole()[which].clone();
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        look(&data);
    }

    #[test]
    fn anything(data in prop::collection::vec(any::<u8>(), 0..200)) {
        look(&data);
    }
}

#[test]
fn the_whole_ones_are_understood() {
    for data in whole() {
        assert!(Kubeconfig::parse(data).is_ok());
        look(data);
    }
}
