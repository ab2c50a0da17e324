//! The names of serving certificates in kubeadm's ClusterConfiguration, which `kubeadm upgrade` and `kubeadm join` issue by.

use serde_json::{Map, Value, json};

use super::parse_yaml;

/// A list of names (kubeadm API v1beta1 to v1beta4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    ApiServer,
    EtcdServer,
    EtcdPeer,
}

/// One name that a list gets or loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub list: List,
    pub name: String,
    pub add: bool,
}

impl List {
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::ApiServer => &["apiServer", "certSANs"],
            Self::EtcdServer => &["etcd", "local", "serverCertSANs"],
            Self::EtcdPeer => &["etcd", "local", "peerCertSANs"],
        }
    }

    /// The field, as kubeadm's documentation names it.
    pub fn field(self) -> String {
        self.path().join(".")
    }
}

/// The configuration with these changes; `None` where it has them already.
///
/// # Errors
/// It is no ClusterConfiguration, or has something else in a list's place.
pub fn changed(text: &str, changes: &[Change]) -> Result<Option<Value>, String> {
    let mut configuration: Value = parse_yaml(text.as_bytes())?;
    let kind = configuration.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind != "ClusterConfiguration" {
        return Err("it is no ClusterConfiguration".to_owned());
    }
    let before = configuration.clone();
    for Change { list, name, add } in changes {
        let wrong = || format!("{} is not a list of names", list.field());
        let names = place(&mut configuration, list.path(), *add).map_err(|()| wrong())?;
        match names {
            None => {}
            Some(Value::Array(names)) if *add => {
                let has =
                    names.iter().any(|own| own.as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)));
                if !has {
                    names.push(json!(name));
                }
            }
            Some(Value::Array(names)) => {
                names.retain(|own| !own.as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)));
            }
            Some(_) => return Err(wrong()),
        }
    }
    Ok((configuration != before).then_some(configuration))
}

/// The list at this path, made where it is missing and `make` is set.
fn place<'v>(value: &'v mut Value, path: &[&str], make: bool) -> Result<Option<&'v mut Value>, ()> {
    let Some((first, rest)) = path.split_first() else {
        if value.is_null() {
            *value = json!([]);
        }
        return Ok(Some(value));
    };
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let map = value.as_object_mut().ok_or(())?;
    if !make && !map.contains_key(*first) {
        return Ok(None);
    }
    place(map.entry((*first).to_owned()).or_insert(Value::Null), rest, make)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "apiServer:\n  certSANs:\n  - lb.example.test\n  - 10.0.0.9\n  extraArgs:\n  - name: v\n    value: \"2\"\n\
        apiVersion: kubeadm.k8s.io/v1beta4\netcd:\n  local:\n    dataDir: /var/lib/etcd\nkind: ClusterConfiguration\n";

    fn change(list: List, name: &str, add: bool) -> Change {
        Change { list, name: name.to_owned(), add }
    }

    #[test]
    fn names_are_added_and_removed_and_the_rest_stays() {
        let changes = [
            change(List::ApiServer, "LB.example.test", false),
            change(List::ApiServer, "10.0.0.9", true),
            change(List::EtcdServer, "etcd.example.test", true),
            change(List::EtcdPeer, "gone.example.test", false),
        ];
        let new = changed(V4, &changes).unwrap().unwrap();
        insta::assert_snapshot!(new, @r#"{"apiServer":{"certSANs":["10.0.0.9"],"extraArgs":[{"name":"v","value":"2"}]},"apiVersion":"kubeadm.k8s.io/v1beta4","etcd":{"local":{"dataDir":"/var/lib/etcd","serverCertSANs":["etcd.example.test"]}},"kind":"ClusterConfiguration"}"#);
        assert_eq!(changed(&new.to_string(), &changes), Ok(None));
        // kubeadm writes an empty map where nothing is configured.
        let bare = "apiServer: {}\nkind: ClusterConfiguration\n";
        assert!(changed(bare, &changes[1..2]).unwrap().is_some());
        assert_eq!(changed(bare, &changes[..1]), Ok(None));
    }

    #[test]
    fn what_is_something_else_is_left_alone() {
        let add = [change(List::ApiServer, "a.test", true)];
        let told = |text: &str| changed(text, &add).unwrap_err();
        assert_eq!(told("kind: ConfigMap\n"), "it is no ClusterConfiguration");
        let wrong = "apiServer.certSANs is not a list of names";
        assert_eq!(told("kind: ClusterConfiguration\napiServer: [a]\n"), wrong);
        assert_eq!(told("kind: ClusterConfiguration\napiServer: {certSANs: {}}\n"), wrong);
    }
}
