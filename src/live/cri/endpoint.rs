//! The runtime's socket: from the option, the kubelet, crictl, or the runtimes' usual paths.

use std::path::{Path, PathBuf};

use super::wire::is_socket;
use crate::analysis::node::facts::Facts;

/// Common runtime sockets, in the order in which they are tried: kubeadm's list
/// (`cmd/kubeadm/app/constants/constants_unix.go`).
pub const WELL_KNOWN: [&str; 3] =
    ["/run/containerd/containerd.sock", "/var/run/crio/crio.sock", "/var/run/cri-dockerd.sock"];

/// Where the kubelet before 1.24 served Docker as a CRI itself.
const DOCKERSHIM: &str = "/var/run/dockershim.sock";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub socket: PathBuf,
    /// The option, flag or file that names it.
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error(
        "cannot use {endpoint} ({source_of}): not a Unix socket such as unix:///run/containerd/containerd.sock"
    )]
    NotUnix {
        endpoint: String,
        /// The option, flag or file that names it.
        source_of: String,
    },
    /// Docker through the kubelet.
    #[error("cannot use {} ({source_of}): it is dockershim, a part of the kubelet, and goes away when the kubelet does", socket.display())]
    Dockershim {
        socket: PathBuf,
        /// The option, flag or file that names it.
        source_of: String,
    },
    #[error("cannot find a container runtime: no socket at {}", WELL_KNOWN.join(", "))]
    NotFound,
}

/// Finds the socket. `explicit` is the operator's `--cri-socket`. Whether somebody listens there is not
/// asked, except where several places are possible.
///
/// # Errors
/// The named path is no Unix socket, or nothing is named and nothing found.
pub fn find(explicit: Option<&str>, facts: &Facts) -> Result<Endpoint, EndpointError> {
    let named = |fact: &Option<crate::analysis::node::facts::Fact<String>>| {
        fact.as_ref().map(|fact| (fact.value.clone(), fact.source.clone()))
    };
    choose(explicit, named(&facts.cri_socket), named(&facts.crictl_socket), &is_socket)
}

/// `kubelet` and `crictl`: endpoint and where it was read.
fn choose(
    explicit: Option<&str>,
    kubelet: Option<(String, String)>,
    crictl: Option<(String, String)>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Endpoint, EndpointError> {
    if let Some(endpoint) = explicit {
        // An explicit option overrides the warning about dockershim.
        return parse(endpoint, "--cri-socket");
    }
    if let Some((endpoint, source)) = kubelet {
        return usable(parse(&endpoint, &source)?);
    }
    let found: Vec<&str> = WELL_KNOWN.into_iter().filter(|path| exists(Path::new(path))).collect();
    // crictl's file may be left over from another runtime.
    if let Some((endpoint, source)) = crictl {
        let endpoint = parse(&endpoint, &source)?;
        if exists(&endpoint.socket) || found.is_empty() {
            return usable(endpoint);
        }
    }
    match found.split_first() {
        Some((first, others)) => {
            let mut source = "found".to_owned();
            if !others.is_empty() {
                source = format!("found, beside {}", others.join(" and "));
            }
            Ok(Endpoint { socket: PathBuf::from(first), source })
        }
        None if exists(Path::new(DOCKERSHIM)) => {
            Err(EndpointError::Dockershim { socket: DOCKERSHIM.into(), source_of: "found".to_owned() })
        }
        None => Err(EndpointError::NotFound),
    }
}

fn usable(endpoint: Endpoint) -> Result<Endpoint, EndpointError> {
    let dockershim = endpoint.socket.file_name().is_some_and(|name| name == "dockershim.sock");
    match endpoint {
        Endpoint { socket, source } if dockershim => {
            Err(EndpointError::Dockershim { socket, source_of: source })
        }
        endpoint => Ok(endpoint),
    }
}

/// `unix:///path`, or the path alone, as the kubelet accepts it.
fn parse(endpoint: &str, source: &str) -> Result<Endpoint, EndpointError> {
    let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
    if !path.starts_with('/') || path.contains('\0') {
        return Err(EndpointError::NotUnix { endpoint: endpoint.to_owned(), source_of: source.to_owned() });
    }
    Ok(Endpoint { socket: PathBuf::from(path), source: source.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINERD: &str = "/run/containerd/containerd.sock";

    fn said(endpoint: &str, source: &str) -> Option<(String, String)> {
        Some((endpoint.to_owned(), source.to_owned()))
    }

    fn socket(found: Result<Endpoint, EndpointError>) -> (String, String) {
        let endpoint = found.unwrap();
        (endpoint.socket.display().to_string(), endpoint.source)
    }

    #[test]
    fn the_operator_before_the_kubelet_before_crictl_before_what_is_there() {
        let all = |_: &Path| true;
        let (kubelet, crictl) = (said("unix:///k.sock", "kubelet"), said("unix:///c.sock", "crictl"));
        let explicit = choose(Some("unix:///o.sock"), kubelet.clone(), crictl.clone(), &all);
        assert_eq!(socket(explicit), ("/o.sock".into(), "--cri-socket".into()));
        assert_eq!(socket(choose(None, kubelet, crictl.clone(), &all)), ("/k.sock".into(), "kubelet".into()));
        assert_eq!(socket(choose(None, None, crictl, &all)), ("/c.sock".into(), "crictl".into()));
        assert_eq!(
            socket(choose(None, None, None, &all)),
            (CONTAINERD.into(), "found, beside /var/run/crio/crio.sock and /var/run/cri-dockerd.sock".into())
        );
        let crio = |path: &Path| path.ends_with("crio.sock");
        assert_eq!(
            socket(choose(None, None, None, &crio)),
            ("/var/run/crio/crio.sock".into(), "found".into())
        );
    }

    #[test]
    fn what_is_named_but_not_there() {
        let (containerd, none) = (|path: &Path| path == Path::new(CONTAINERD), |_: &Path| false);
        let stale = said("unix:///var/run/dockershim.sock", "/etc/crictl.yaml runtime-endpoint");
        // The kubelet's setting stays; crictl's gives way to a socket that exists.
        assert_eq!(socket(choose(None, said("/k.sock", "kubelet"), None, &containerd)).0, "/k.sock");
        assert_eq!(socket(choose(None, None, stale.clone(), &containerd)).0, CONTAINERD);
        let refused = choose(None, None, stale, &none).unwrap_err();
        assert!(matches!(&refused, EndpointError::Dockershim { .. }), "{refused}");
        assert_eq!(choose(None, None, None, &none), Err(EndpointError::NotFound));
        let dockershim = |path: &Path| path == Path::new(DOCKERSHIM);
        let found = choose(None, None, None, &dockershim).unwrap_err();
        assert!(matches!(found, EndpointError::Dockershim { .. }));
        assert_eq!(socket(choose(Some(DOCKERSHIM), None, None, &none)).0, DOCKERSHIM);
    }

    #[test]
    fn forms_of_an_endpoint() {
        for good in ["unix:///run/x.sock", "/run/x.sock"] {
            assert_eq!(parse(good, "test").unwrap().socket, Path::new("/run/x.sock"));
        }
        for bad in
            ["tcp://127.0.0.1:1", "npipe:////./pipe/c", "unix://run/x.sock", "run/x.sock", "", "unix://"]
        {
            let error = parse(bad, "--cri-socket").unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("cannot use {bad} (--cri-socket): not a Unix socket")),
                "{error}"
            );
        }
    }
}
