//! The table is complete and in order.

use super::*;

#[test]
fn slots_are_in_kubeadms_order_and_findable() {
    let names: Vec<_> = CERT_SPECS.iter().map(|spec| spec.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    for name in names {
        assert_eq!(cert_spec(name).map(|spec| spec.name), Some(name));
    }
    assert_eq!(cert_spec("etcd"), None);
}

#[test]
fn only_clients_go_without_names() {
    for spec in &CERT_SPECS {
        assert_eq!(spec.names == Names::None, spec.usage == Usage::Client, "{}", spec.name);
    }
}

/// kubeadm 1.29: changelog, PR 119859, 120521, 121837; 1.37: system:kubelet-api-admin.
#[test]
fn organizations_of_each_minor_version() {
    for minor in 20..=37 {
        let admins = Some(if minor < 29 { "system:masters" } else { "kubeadm:cluster-admins" });
        let etcd = (minor < 29).then_some("system:masters");
        for (name, expected) in [
            ("admin.conf", admins),
            ("apiserver", None),
            ("apiserver-etcd-client", etcd),
            ("apiserver-kubelet-client", if minor < 37 { admins } else { Some("system:kubelet-api-admin") }),
            ("controller-manager.conf", None),
            ("etcd-healthcheck-client", etcd),
            ("etcd-peer", None),
            ("etcd-server", None),
            ("front-proxy-client", None),
            ("scheduler.conf", None),
            ("super-admin.conf", Some("system:masters")),
        ] {
            let spec = cert_spec(name).unwrap();
            assert_eq!(spec.organization.at(minor), expected, "{name} of 1.{minor}");
        }
    }
}

#[test]
fn everything_in_the_catalog_has_a_consequence() {
    let names = CERT_SPECS.iter().map(|spec| spec.name).chain(CAS.iter().map(|ca| ca.name()));
    let components = Component::STATIC_PODS.iter().map(|component| component.name());
    for name in names.chain(components).chain(["sa", "kubelet", KUBELET_CLIENT, KUBELET_SERVING]) {
        assert_eq!(CONSEQUENCES.iter().filter(|row| row.subject == name).count(), 1, "{name}");
    }
}
