//! crictl's own configuration, `/etc/crictl.yaml`.

use serde::Deserialize;

/// The part of crictl's configuration with the runtime's socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct CrictlConfiguration {
    pub runtime_endpoint: Option<String>,
}

impl CrictlConfiguration {
    /// # Errors
    /// It is no YAML; the text says where.
    pub fn parse(data: &[u8]) -> Result<Self, String> {
        super::parse_yaml(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_file() {
        let text = b"runtime-endpoint: unix:///run/c.sock\nimage-endpoint: \"\"\ntimeout: 2\ndebug: false\n";
        let parsed = CrictlConfiguration::parse(text).unwrap();
        assert_eq!(parsed.runtime_endpoint.as_deref(), Some("unix:///run/c.sock"));
        let parsed = CrictlConfiguration::parse(b"timeout: 2\n").unwrap();
        assert_eq!(parsed, CrictlConfiguration::default());
        CrictlConfiguration::parse(b"\t{").unwrap_err();
    }
}
