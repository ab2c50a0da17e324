//! How the kubelet runs: its command line, its configuration, and the name that it gives the node.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::{Fact, Pods, Reader};
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::formats::kubelet::{KubeletConfiguration, flags_in_assignments};
use crate::formats::manifest;
use crate::formats::systemd::{self, Service, Sourced};
use crate::state::{Component, Content, Entry, Snapshot, catalog};

/// Where systemd looks for units, the directory that wins last (systemd.unit(5), "Unit File Load Path").
const UNIT_DIRS: [&str; 5] = [
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/run/systemd/system",
    "/etc/systemd/system",
];

/// Files with flags where no unit tells which the kubelet reads, in kubeadm's order.
const ASSIGNMENTS: [&str; 3] =
    ["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet"];

/// The kubelet's units, and the directories of their drop-ins.
pub(in crate::analysis::node) fn units() -> impl Iterator<Item = (PathBuf, PathBuf)> {
    UNIT_DIRS.iter().map(|directory| {
        let directory = Path::new(directory);
        (directory.join("kubelet.service"), directory.join("kubelet.service.d"))
    })
}

/// The drop-ins of the kubelet's configuration in the order in which they are merged: in subdirectories too, each
/// directory by its names, links to directories not followed (kubernetes `cmd/kubelet/app/server.go`
/// mergeKubeletConfigurations, Go `filepath.WalkDir`).
pub(in crate::analysis::node) fn drop_ins(snapshot: &Snapshot, directory: &Path) -> Vec<PathBuf> {
    let Ok(directory) = snapshot.resolve(directory) else { return Vec::new() };
    let is_one = |path: &Path, entry: &Entry| {
        path.starts_with(&directory.path)
            && path.extension() == Some(OsStr::new("conf"))
            && !matches!(entry.content, Content::Directory)
    };
    let found = snapshot.iter().filter(|(path, entry)| is_one(path, entry));
    found.map(|(path, _)| path.to_owned()).collect()
}

/// The kubelet as it is started.
pub(super) struct Kubelet {
    flags: BTreeMap<String, (String, PathBuf)>,
    /// The configuration and its drop-ins, each with its file, in the order in which they win.
    configurations: Vec<(PathBuf, Arc<KubeletConfiguration>)>,
    pub(super) config: Fact<PathBuf>,
    pub(super) config_dir: Option<PathBuf>,
    pub(super) environment_files: Vec<PathBuf>,
}

impl Kubelet {
    pub(super) fn flag(&self, name: &str) -> Option<Fact<&str>> {
        let (value, source) = self.flags.get(name)?;
        Some(Fact::new(value.as_str(), format!("{} --{name}", source.display())))
    }

    pub(super) fn path(&self, flag: &str, default: &str) -> Fact<PathBuf> {
        match self.flag(flag) {
            Some(fact) => Fact::new(Path::new("/").join(fact.value), fact.source),
            None => Fact::new(PathBuf::from(default), "default"),
        }
    }

    /// A value of the configuration, with the field's name; the last file that has it wins.
    pub(super) fn configured<T>(
        &self,
        field: &str,
        get: impl Fn(&KubeletConfiguration) -> Option<T>,
    ) -> Option<Fact<T>> {
        let mut last_first = self.configurations.iter().rev();
        last_first.find_map(|(path, one)| Some(Fact::new(get(one)?, format!("{} {field}", path.display()))))
    }

    /// A value that the kubelet takes from a flag, otherwise from its configuration.
    pub(super) fn served<T: FromStr>(
        &self,
        flag: &str,
        get: impl Fn(&KubeletConfiguration) -> Option<T>,
    ) -> Option<Fact<T>> {
        let given = self.flag(flag).and_then(|fact| Some(Fact::new(fact.value.parse().ok()?, fact.source)));
        given.or_else(|| self.configured(flag, get))
    }

    /// A switch, off by default, of a flag or else of the configuration.
    pub(super) fn is_on(&self, flag: &str, get: impl Fn(&KubeletConfiguration) -> Option<bool>) -> bool {
        match self.flag(flag) {
            Some(flag) => flag.value != "false",
            None => self.configured("", get).is_some_and(|fact| fact.value),
        }
    }

    /// The place of a value: the flag in this file, or the field.
    pub(super) fn place(&self, flag: &str, field: &str, source: &Path) -> String {
        self.flag(flag).map_or_else(|| format!("{} {field}", source.display()), |fact| fact.source)
    }

    /// A file that a flag names, relative to `/`, or the configuration, relative to its directory (kubelet
    /// `configfiles.go` resolveRelativePaths); and the file that says so.
    pub(super) fn file(
        &self,
        flag: &str,
        get: impl Fn(&KubeletConfiguration) -> Option<&PathBuf>,
    ) -> Option<(PathBuf, PathBuf)> {
        if let Some((value, source)) = self.flags.get(flag) {
            return Some((Path::new("/").join(value), source.clone()));
        }
        let mut last_first = self.configurations.iter().rev();
        let (source, value) = last_first.find_map(|(path, one)| {
            let named = get(one).filter(|named| !named.as_os_str().is_empty())?;
            Some((path, named))
        })?;
        Some((source.parent().unwrap_or(Path::new("/")).join(value), source.clone()))
    }

    /// The name that the kubelet is told to register its node with. An old cloud provider wins over it (kubernetes
    /// `cmd/kubelet/app/server.go` getNodeName), and systemd's specifiers aren't known here.
    pub(super) fn hostname_override(&self) -> Option<Fact<String>> {
        let provider = self.flag("cloud-provider").map_or("", |fact| fact.value);
        let fact = self.flag("hostname-override").filter(|_| matches!(provider, "" | "external"))?;
        let name = fact.value.trim().to_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        (!name.is_empty() && name.chars().all(plain)).then(|| Fact::new(name, fact.source))
    }
}

impl Reader<'_> {
    pub(super) fn kubelet(&self) -> Kubelet {
        let (flags, environment_files) = self.kubelet_flags();
        let mut kubelet = Kubelet {
            flags,
            configurations: Vec::new(),
            config: Fact::new(PathBuf::new(), "default"),
            config_dir: None,
            environment_files,
        };
        kubelet.config = kubelet.path("config", catalog::KUBELET_CONFIG);
        kubelet.config_dir = kubelet.flag("config-dir").map(|fact| Path::new("/").join(fact.value));
        let mut files = vec![kubelet.config.value.clone()];
        files.extend(kubelet.config_dir.iter().flat_map(|directory| drop_ins(self.snapshot, directory)));
        for path in files {
            let parsed = self.file(&path).and_then(|bytes| KubeletConfiguration::of(bytes).ok());
            let Some(parsed) = parsed else { continue };
            kubelet.configurations.push((path, parsed));
        }
        kubelet
    }

    /// The drop-ins of a directory by their names.
    fn conf_files(&self, directory: &Path) -> Vec<PathBuf> {
        let children = self.snapshot.children(directory).into_iter().map(|(path, _)| path);
        children.filter(|path| path.extension() == Some(OsStr::new("conf"))).map(Path::to_owned).collect()
    }

    /// Flag → value and the file that sets it, and the files of variables that the unit names.
    fn kubelet_flags(&self) -> (BTreeMap<String, (String, PathBuf)>, Vec<PathBuf>) {
        let (mut unit, mut drop_ins) = (None, BTreeMap::new());
        for (path, directory) in units() {
            if self.snapshot.entry_itself(&path).is_some() {
                unit = Some(path);
            }
            let named = |path: PathBuf| Some((path.file_name()?.to_owned(), path));
            drop_ins.extend(self.conf_files(&directory).into_iter().filter_map(named));
        }
        let files: Vec<_> = unit.into_iter().chain(drop_ins.into_values()).collect();
        let text = |path: &Path| self.file(path).map(|bytes| String::from_utf8_lossy(bytes));
        let mut service = Service::default();
        for path in &files {
            if let Some(text) = text(path) {
                service.add(path, &text);
            }
        }
        let named = service.environment_files.clone();
        for path in named.iter().flat_map(|path| self.matching(path)) {
            if let Some(text) = text(&path) {
                service.add_environment(&path, &text);
            }
        }
        let is_kubelet = |word: &Sourced| Path::new(&word.0).file_name() == Some(OsStr::new("kubelet"));
        let words = service.words().unwrap_or_default();
        let mut found = BTreeMap::new();
        let mut take = |flags: BTreeMap<String, String>, source: &Path| {
            found.extend(flags.into_iter().map(|(name, value)| (name, (value, source.to_owned()))));
        };
        match words.iter().position(is_kubelet) {
            Some(at) => {
                let words = words.get(at..).unwrap_or_default();
                for of_one in words.chunk_by(|one, next| one.1 == next.1) {
                    let flags = manifest::flags(of_one.iter().map(|(word, _)| word.clone()));
                    if let Some((_, source)) = of_one.first() {
                        take(flags, source);
                    }
                }
            }
            // No unit, or a script that starts the kubelet: every flag of every file that is known.
            None => {
                for path in files.iter().map(PathBuf::as_path).chain(ASSIGNMENTS.iter().map(Path::new)) {
                    self.file(path).into_iter().for_each(|bytes| take(flags_in_assignments(bytes), path));
                }
            }
        }
        // Of a pattern the directory is read. One directly below the root holds more than these.
        let wanted = named.into_iter().filter_map(|path| match systemd::is_pattern(&path) {
            true => path.parent().filter(|directory| directory.components().count() > 2).map(Path::to_owned),
            false => Some(path),
        });
        (found, wanted.collect())
    }

    /// The files that `EnvironmentFile=` names, in systemd's order.
    fn matching(&self, named: &Path) -> Vec<PathBuf> {
        let Some(directory) = named.parent().filter(|_| systemd::is_pattern(named)) else {
            return vec![named.to_owned()];
        };
        let files = self.snapshot.children(directory).into_iter().map(|(path, _)| path);
        files.filter(|path| systemd::matches(named, path)).map(Path::to_owned).collect()
    }

    pub(super) fn node_name(
        &self,
        pods: &Pods<'_>,
        kubelet: &Kubelet,
        kubeconfig: &Path,
        kubelet_pki: &Path,
        pki: &Path,
    ) -> Option<Fact<String>> {
        const NODE: &str = "system:node:";
        if let Some(name) = kubelet.hostname_override() {
            return Some(name);
        }
        let certificate = |path: &Path| Certificate::of(self.file(path)?).ok();
        let config = self.file(kubeconfig).and_then(|bytes| Kubeconfig::of(bytes).ok());
        let named = match config.as_ref().map(|config| &config.credential) {
            Some(Credential::Files { certificate, .. }) => {
                kubeconfig.parent().map(|directory| directory.join(certificate))
            }
            Some(Credential::Embedded(embedded)) => {
                if let Ok(found) = Certificate::of(embedded.certificate_pem())
                    && let Some(name) = found.common_name().strip_prefix(NODE)
                {
                    return Some(Fact::new(name.to_owned(), format!("{} CN", kubeconfig.display())));
                }
                None
            }
            _ => None,
        };
        let link = kubelet_pki.join(catalog::KUBELET_CLIENT_LINK);
        for path in named.into_iter().chain([link]) {
            if let Some(found) = certificate(&path)
                && let Some(name) = found.common_name().strip_prefix(NODE)
            {
                return Some(Fact::new(name.to_owned(), format!("{} CN", path.display())));
            }
        }
        if let Some(name) = config.as_ref().and_then(|config| config.user.strip_prefix(NODE)) {
            return Some(Fact::new(name.to_owned(), format!("{} user", kubeconfig.display())));
        }
        if let Some((path, etcd)) = pods.pod(Component::Etcd)
            && let Some(name) = etcd.flag("name")
        {
            return Some(Fact::new(name.to_owned(), format!("{} --name", path.display())));
        }
        for base in ["etcd/server.crt", "etcd/peer.crt"] {
            let path = pki.join(base);
            if let Some(cert) = certificate(&path).filter(|cert| !cert.common_name().is_empty()) {
                return Some(Fact::new(cert.common_name().to_owned(), format!("{} CN", path.display())));
            }
        }
        let host = String::from_utf8_lossy(self.file("/etc/hostname")?).trim().to_lowercase();
        (!host.is_empty()).then(|| Fact::new(host, "/etc/hostname"))
    }
}
