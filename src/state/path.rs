//! Paths by their bytes. `std::path` compares part by part, each time parsing both paths: a fifth of all the work when a
//! node's certificates were renewed.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The path without repeated slashes, slashes at its end and `.`: two that lead through the same parts have the same bytes
/// then.
pub(crate) fn tidy(path: &Path) -> Cow<'_, Path> {
    let bytes = path.as_os_str().as_bytes();
    let names = bytes.strip_prefix(b"/").unwrap_or(bytes);
    match names.split(|byte| *byte == b'/').any(|name| matches!(name, b"" | b".")) {
        true => Cow::Owned(path.components().collect::<PathBuf>()),
        false => Cow::Borrowed(path),
    }
}

/// The same of a path that is owned.
pub(crate) fn tidied(path: PathBuf) -> PathBuf {
    match tidy(&path) {
        Cow::Owned(tidied) => tidied,
        Cow::Borrowed(_) => path,
    }
}

/// What of a tidy path is below `above`, which is tidy too: nothing where they are the same, `None` where it is elsewhere.
pub(crate) fn below<'a>(path: &'a Path, above: &Path) -> Option<&'a Path> {
    let rest = path.as_os_str().as_bytes().strip_prefix(above.as_os_str().as_bytes())?;
    let rest = match rest {
        b"" => rest,
        _ if above.as_os_str() == "/" => rest,
        rest => rest.strip_prefix(b"/")?,
    };
    Some(Path::new(OsStr::from_bytes(rest)))
}

/// A tidy path as the key of a map, in the order of its parts: a directory before what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) PathBuf);

/// What is compared with a [`Key`].
pub(super) trait Tidy {
    fn tidied(&self) -> &[u8];
}

impl Tidy for Key {
    fn tidied(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }
}

impl Tidy for Cow<'_, Path> {
    fn tidied(&self) -> &[u8] {
        self.as_os_str().as_bytes()
    }
}

impl<'a> Borrow<dyn Tidy + 'a> for Key {
    fn borrow(&self) -> &(dyn Tidy + 'a) {
        self
    }
}

impl Ord for dyn Tidy + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, other) = (self.tidied(), other.tidied());
        // What goes on after a name comes before a longer name.
        let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
        let differing = one.iter().zip(other).find(|(one, other)| one != other);
        differing.map_or(one.len().cmp(&other.len()), |(one, other)| rank(*one).cmp(&rank(*other)))
    }
}

impl PartialOrd for dyn Tidy + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Tidy + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Tidy + '_ {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        (self as &dyn Tidy).cmp(other)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tidied_has_the_same_parts() {
        for text in [
            "/",
            "//",
            "/a",
            "/a/",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/..",
            "",
            ".",
            "./a",
            "a/b/.",
            "/a/b.c/.d",
        ] {
            let path = Path::new(text);
            let tidied = tidy(path);
            assert_eq!(&*tidied, path);
            let again = tidied.components().collect::<PathBuf>();
            assert_eq!(tidied.as_os_str(), again.as_os_str(), "{text}");
        }
    }

    /// As `Path` has it.
    #[test]
    fn keys_have_the_order_of_their_parts() {
        let paths = ["/", "/a", "/a/b", "/a.b", "/a/b/c", "/a-b", "/a/b.c", "/ab", "/A", "/a/\u{1}", "/é"];
        let keys = paths.map(|path| Key(path.into()));
        for (one, other) in keys.iter().flat_map(|one| keys.iter().map(move |other| (one, other))) {
            assert_eq!(one.cmp(other), one.0.cmp(&other.0), "{one:?} {other:?}");
        }
    }

    /// As `Path::strip_prefix` says.
    #[test]
    fn what_is_below() {
        let paths = ["/", "/a", "/a/b", "/a/bc", "/ab", "/a/b/c", "/a/../b", "a", "a/b", ""];
        for (path, above) in
            paths.iter().flat_map(|path| paths.map(|above| (Path::new(path), Path::new(above))))
        {
            if above.as_os_str().is_empty() {
                continue;
            }
            let known = path.strip_prefix(above).ok();
            assert_eq!(
                below(path, above).map(Path::as_os_str),
                known.map(Path::as_os_str),
                "{path:?} {above:?}"
            );
        }
    }
}
