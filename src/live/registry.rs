//! Whether the registry of an image can be reached: a kubelet that pulls at every start needs it.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);
const HTTPS: u16 = 443;
/// The registry of an image that names none (github.com/distribution/reference `normalize.go`).
const DEFAULT: &str = "registry-1.docker.io";

/// `HOST:PORT` of the registry that an image comes from.
pub fn of_image(image: &str) -> String {
    let named = image.split_once('/').map(|(first, _)| first);
    let host = named.filter(|first| first.contains(['.', ':']) || *first == "localhost");
    match host.unwrap_or(DEFAULT) {
        "docker.io" => format!("{DEFAULT}:{HTTPS}"),
        host if host.contains(':') => host.to_owned(),
        host => format!("{host}:{HTTPS}"),
    }
}

/// # Errors
/// Its name is unknown, or nothing accepts a connection there.
pub fn reach(registry: &str) -> Result<(), String> {
    let addresses = registry.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut why = "its name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_images() {
        let cases = [
            ("registry.k8s.io/pause:3.9", "registry.k8s.io:443"),
            ("10.0.0.1:5000/etcd:3", "10.0.0.1:5000"),
            ("localhost/etcd", "localhost:443"),
            ("etcd:3", "registry-1.docker.io:443"),
            ("docker.io/library/etcd", "registry-1.docker.io:443"),
            ("library/etcd", "registry-1.docker.io:443"),
        ];
        for (image, registry) in cases {
            assert_eq!(of_image(image), registry);
        }
    }

    #[test]
    fn a_port_that_nothing_listens_on_is_not_reached() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = listener.local_addr().unwrap().to_string();
        assert_eq!(reach(&registry), Ok(()));
        drop(listener);
        assert!(reach(&registry).is_err());
    }
}
