//! A directory of certificate requests: one of ours with its manifest, or one of `kubeadm certs generate-csr`. It may come from
//! anywhere: no link in it is followed out of it, and what it says is checked by whoever uses it.

use std::path::{Path, PathBuf};

use crate::disk::{Depth, NewDirectory, Root};
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::entries::{Entries, Place as Pem};
use crate::formats::request::Request;
use crate::formats::requests::{self, RequestList, Requested};
use crate::session::input::source::open_root;
use crate::state::catalog::{CERT_SPECS, Place};
use crate::state::{Bytes, Code, Content, Snapshot};

pub struct Directory {
    root: Root,
    /// `None` in a directory of kubeadm's.
    pub list: Option<RequestList>,
    pub members: Vec<Member>,
}

/// A request and what belongs to it, by paths inside the directory.
pub struct Member {
    /// kubeadm's name.
    pub name: String,
    pub request: PathBuf,
    pub certificate: PathBuf,
    /// Where kubeadm has put the key: a key, or a kubeconfig.
    key: Option<PathBuf>,
}

impl Member {
    fn of(requested: &Requested) -> Self {
        let inside = |name: &str| Path::new("/").join(name);
        let (request, certificate) = (inside(&requested.file), inside(&requested.certificate_file()));
        Self { name: requested.name.clone(), request, certificate, key: None }
    }
}

impl Directory {
    /// Opens a directory and finds its requests.
    ///
    /// # Errors
    /// It can't be read, its manifest is not valid, or there is no request in it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let root = open_root(path, "name the directory that kuberescue csr export has written")?;
        let mut directory = Self { root, list: None, members: Vec::new() };
        if let Some(bytes) = directory.file(&Path::new("/").join(requests::FILE))? {
            let list = RequestList::parse(&bytes).map_err(|why| {
                let file = path.join(requests::FILE);
                Error::refused(Code::RequestMismatch, format!("cannot use {}: {why}", file.display()))
                    .hint("export the requests again on the node: sudo kuberescue csr export DIR")
            })?;
            directory.members = list.requests.iter().map(Member::of).collect();
            directory.list = Some(list);
        } else {
            directory.members = directory.of_kubeadm();
        }
        if directory.members.is_empty() {
            let what = format!(
                "cannot use {}: no {} of kuberescue csr export in it, and no requests of kubeadm certs generate-csr",
                path.display(),
                requests::FILE
            );
            return Err(Error::usage(what).hint("sudo kuberescue csr export DIR, on the node"));
        }
        Ok(directory)
    }

    /// What `kubeadm certs generate-csr` writes: `NAME.csr` and `NAME.key` in its `--cert-dir`, `NAME.conf.csr` and a
    /// kubeconfig with the key in its `--kubeconfig-dir`; `pki` is the first inside the second by default.
    fn of_kubeadm(&self) -> Vec<Member> {
        let exists = |path: &Path| self.root.beginning(path, 0).is_some();
        let member = |name: &str, stem: PathBuf, key: PathBuf| {
            let with = |suffix: &str| {
                let mut path = stem.clone().into_os_string();
                path.push(suffix);
                PathBuf::from(path)
            };
            let (name, request, certificate) = (name.to_owned(), with(".csr"), with(".crt"));
            exists(&request).then_some(Self::kubeadms(name, request, certificate, key))
        };
        let found = |name: &str, place: Place| match place {
            Place::Pair(base) => ["/", "/pki"].iter().find_map(|above| {
                let stem = Path::new(above).join(base);
                let key = format!("{}.key", stem.display()).into();
                member(name, stem, key)
            }),
            Place::Kubeconfig(file) => {
                let stem = Path::new("/").join(file);
                member(name, stem.clone(), stem)
            }
        };
        CERT_SPECS.iter().filter_map(|spec| found(spec.name, spec.place)).collect()
    }

    fn kubeadms(name: String, request: PathBuf, certificate: PathBuf, key: PathBuf) -> Member {
        Member { name, request, certificate, key: Some(key) }
    }

    /// A path inside the directory, on this machine.
    pub fn shown(&self, inside: &Path) -> PathBuf {
        self.root.on_host(inside)
    }

    /// A file in it; `None` if it doesn't exist.
    ///
    /// # Errors
    /// It is something else, or cannot be read.
    pub fn file(&self, inside: &Path) -> Result<Option<Bytes>, Error> {
        let mut there = Snapshot::default();
        self.root.read(&mut there, inside, Depth::File);
        let Some(entry) = there.target(inside) else { return Ok(None) };
        let shown = self.shown(inside);
        let why = match &entry.content {
            Content::File(bytes) => return Ok(Some(bytes.clone())),
            Content::Unread(why) => why.to_string(),
            Content::Directory | Content::Link(_) => "it is no file".to_owned(),
        };
        Err(Error::could_not_run(format!("cannot read {}: {why}", shown.display()))
            .code(Code::Unreadable)
            .hint(format!("ls -l {}", shown.display())))
    }

    /// The request of a member.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    pub fn request(&self, member: &Member) -> Result<Request, Error> {
        let shown = self.shown(&member.request);
        let wrong = |why: String| {
            Error::refused(Code::RequestMismatch, format!("cannot use {}: {why}", shown.display()))
                .hint("export the requests again on the node: sudo kuberescue csr export DIR")
        };
        let bytes = self.file(&member.request)?.ok_or_else(|| wrong("not found".to_owned()))?;
        Request::from_pem(&bytes).map_err(|error| wrong(error.to_string()))
    }

    /// The certificate of a member; `None` if there is none yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn certificate(&self, member: &Member) -> Result<Option<Certificate>, Error> {
        let Some(bytes) = self.file(&member.certificate)? else { return Ok(None) };
        let parsed = Certificate::from_pem(&bytes).map_err(|error| {
            let what = format!("cannot read {}: {error}", self.shown(&member.certificate).display());
            Error::refused(Code::Unreadable, what)
                .hint("sign the requests again: kuberescue csr sign DIR --ca PATH --overwrite")
        });
        parsed.map(Some)
    }

    /// The key that kubeadm has put beside a request.
    pub fn key(&self, member: &Member) -> Option<PrivateKey> {
        let path = member.key.as_ref()?;
        let bytes = self.file(path).ok()??;
        if path.extension().is_some_and(|extension| extension == "key") {
            return PrivateKey::from_pem(&bytes).ok();
        }
        let entries = Entries::parse(&bytes, Path::new("")).ok()?;
        let keys = entries.users.into_iter().filter_map(|user| match user.key {
            Some(Pem::Embedded(pem)) => PrivateKey::from_pem(&pem).ok(),
            _ => None,
        });
        keys.take(1).next()
    }

    /// The directory of a member's certificate, to write into.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn beside(&self, member: &Member) -> Result<NewDirectory, Error> {
        let above = member.certificate.parent().unwrap_or(Path::new("/"));
        Ok(NewDirectory::below(&self.root, above)?)
    }
}
