//! Writing an archive: deterministic for the same snapshot and metadata, complete and verified by reading it
//! back before it gets its name.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};
use zeroize::Zeroizing;

use super::list::EXTENSION;
use super::manifest::{About, Manifest};
use super::{MANIFEST, pax, verify};
use crate::disk::new_file::NewFile;
use crate::disk::{Error, Root, effect};
use crate::state::{Attributes, Content, Digest, Snapshot, catalog};

/// What a part of a node's files takes as an archive: a buffer that grows leaves copies behind.
const BUNDLE_BYTES: usize = 1 << 20;

/// An archive that was written and read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// On the host, for the user.
    pub path: PathBuf,
    pub sha256: Digest,
    pub size: u64,
    /// The result of reading it back.
    pub verified: super::Verified,
}

/// Archives `snapshot` as `NODE-YYYYMMDDTHHMMSSZ.tar.gz`, mode 0600, in `dir` on the host, or by default in
/// the node's own `/var/lib/kuberescue`, which is created if needed. The file gets its name only after it was
/// synced, read back and compared.
///
/// # Errors
/// It can't be written or doesn't read back the same; then nothing of it is left.
pub fn write(root: &Root, dir: Option<&Path>, snapshot: &Snapshot, about: &About) -> Result<Written, Error> {
    let new = NewFile::begin(root, dir, base_name(about), EXTENSION)?;
    let verified = fill(new.file(), snapshot, about, &new.path())?;
    let (sha256, size) = (verified.sha256, verified.size);
    Ok(Written { path: new.name()?, sha256, size, verified })
}

/// The path on the host that [`write`] takes first, or, with another extension, that of what lies beside it.
pub fn planned(root: &Root, dir: Option<&Path>, about: &About, extension: &str) -> PathBuf {
    let own = || root.on_host(Path::new(catalog::RESCUE_DIR));
    dir.map_or_else(own, Path::to_owned).join(format!("{}{extension}", base_name(about)))
}

/// The same archive in memory, for what is never to be on a disk as it is.
///
/// # Errors
/// The manifest cannot be written.
pub fn to_bytes(snapshot: &Snapshot, about: &About) -> io::Result<Zeroizing<Vec<u8>>> {
    // Not compressed: a buffer of the compressor would keep parts of keys.
    let mut out = Zeroizing::new(Vec::with_capacity(BUNDLE_BYTES));
    entries(&mut *out, Manifest::new(snapshot, about), snapshot)?;
    Ok(out)
}

fn fill(mut file: &File, snapshot: &Snapshot, about: &About, path: &Path) -> Result<super::Verified, Error> {
    let failed = |error| Error::io("write", path)(error);
    let buffer = BufWriter::with_capacity(1 << 16, effect::Through(file));
    let gzip = GzBuilder::new().mtime(0).write(buffer, Compression::fast());
    let mut out = gzip;
    let meant = entries(&mut out, Manifest::new(snapshot, about), snapshot).map_err(failed)?;
    out.finish().and_then(|mut buffer| buffer.flush()).map_err(failed)?;
    effect::sync(file).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let verified = verify(file).map_err(|error| error.named(path))?;
    // Every digest matches the manifest, and the manifest is the intended one. It is not held twice for that.
    let text = verified.manifest.as_ref().map(serde_json::to_vec).transpose();
    if text.map_err(|error| failed(error.into()))?.map(|text| Digest::of(&text)) != Some(meant) {
        return Err(Error::archive("does not read back the same"));
    }
    Ok(verified)
}

/// `NODE-YYYYMMDDTHHMMSSZ`, the node's name reduced to the characters of a Kubernetes name: what an archive, and
/// what lies beside it, is called.
pub fn base_name(about: &About) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    let node: String = about.node.chars().map(plain).take(100).collect();
    let node = node.trim_start_matches('.');
    let node = if node.is_empty() { "node" } else { node };
    format!("{node}-{}", about.created.strftime("%Y%m%dT%H%M%SZ"))
}

/// Returns the digest of the manifest's text.
fn entries(out: &mut impl Write, manifest: Manifest, snapshot: &Snapshot) -> io::Result<Digest> {
    let own = Attributes { mode: 0o600, mtime: manifest.created, ..Attributes::default() };
    let text = serde_json::to_vec(&manifest)?;
    drop(manifest);
    entry(out, EntryType::Regular, MANIFEST.as_bytes(), &[], &own, &text)?;
    let digest = Digest::of(&text);
    drop(text);
    for (path, entry_) in snapshot.iter() {
        let path = path.as_os_str().as_bytes();
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        let attributes = &entry_.attributes;
        match &entry_.content {
            // The root directory itself: tar calls it ".".
            Content::Directory if relative.is_empty() => {
                entry(out, EntryType::Directory, b"./", &[], attributes, &[])?;
            }
            Content::Directory => {
                let name = [relative, b"/"].concat();
                entry(out, EntryType::Directory, &name, &[], attributes, &[])?;
            }
            Content::Link(target) => {
                let target = target.as_os_str().as_bytes();
                entry(out, EntryType::Symlink, relative, target, attributes, &[])?;
            }
            Content::File(bytes) => entry(out, EntryType::Regular, relative, &[], attributes, bytes)?,
            Content::Unread(_) => {}
        }
    }
    // The end: two blocks of zeros.
    out.write_all(&[0; 1024])?;
    Ok(digest)
}

/// One entry, preceded by an extended header if the plain one can't hold it.
fn entry(
    out: &mut impl Write,
    kind: EntryType,
    name: &[u8],
    target: &[u8],
    attributes: &Attributes,
    content: &[u8],
) -> io::Result<()> {
    let mut extended = Vec::new();
    let mut header = header(kind, attributes, content.len() as u64);
    if let Some(old) = header.as_ustar_mut() {
        fit(&mut old.name, name, b"path", &mut extended);
        fit(&mut old.linkname, target, b"linkpath", &mut extended);
    }
    for (attribute, value) in &attributes.xattrs {
        pax::render(&mut extended, &[pax::XATTR, attribute.as_bytes()].concat(), value);
    }
    if !extended.is_empty() {
        let none = Attributes { mode: 0o600, ..Attributes::default() };
        let mut before = self::header(EntryType::XHeader, &none, extended.len() as u64);
        if let Some(old) = before.as_ustar_mut() {
            fit(&mut old.name, b"PaxHeaders/extended", b"path", &mut Vec::new());
        }
        block(out, &mut before, &extended)?;
    }
    block(out, &mut header, content)
}

fn header(kind: EntryType, attributes: &Attributes, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.uid.into());
    header.set_gid(attributes.gid.into());
    // Times before 1970 and nanoseconds are in the manifest.
    header.set_mtime(u64::try_from(attributes.mtime.as_second()).unwrap_or(0));
    header.set_size(size);
    header
}

/// Writes `value` into a field of the header, and into the extended header if it is too long.
fn fit(field: &mut [u8; 100], value: &[u8], key: &[u8], extended: &mut Vec<u8>) {
    if value.len() > field.len() {
        pax::render(extended, key, value);
    }
    for (to, from) in field.iter_mut().zip(value) {
        *to = *from;
    }
}

fn block(out: &mut impl Write, header: &mut Header, content: &[u8]) -> io::Result<()> {
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    out.write_all(content)?;
    let padding = content.len().next_multiple_of(512) - content.len();
    out.write_all([0; 512].get(..padding).unwrap_or_default())
}
