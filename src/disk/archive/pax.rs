//! PAX extended headers, both ways. The tar crate's reader splits at newlines, which may be part of an
//! extended attribute's value; only the length before each record is reliable.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The prefix of extended attributes in star, GNU tar and bsdtar.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";

/// The fields of an entry's extended header that are used.
#[derive(Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// As written: seconds with an optional fraction.
    pub(super) mtime: Option<String>,
    pub(super) xattrs: Vec<(OsString, Vec<u8>)>,
    pub(super) sparse: bool,
}

impl Extended {
    /// Adds the records of one extended header.
    pub(super) fn add(&mut self, mut data: &[u8]) -> Result<(), &'static str> {
        const WRONG: &str = "its extended header is malformed";
        while !data.is_empty() {
            let space = data.iter().take(20).position(|byte| *byte == b' ').ok_or(WRONG)?;
            let (length, _) = data.split_at(space);
            let length: usize = text(length).and_then(|text| text.parse().ok()).ok_or(WRONG)?;
            let record = data.get(space + 1..length).ok_or(WRONG)?;
            let record = record.strip_suffix(b"\n").ok_or(WRONG)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(WRONG)?;
            let (key, value) = record.split_at(equals);
            self.record(key, value.get(1..).unwrap_or_default()).ok_or(WRONG)?;
            data = data.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(text(value)?.parse().ok()?),
            b"uid" => self.uid = Some(text(value)?.parse().ok()?),
            b"gid" => self.gid = Some(text(value)?.parse().ok()?),
            b"mtime" => self.mtime = Some(text(value)?.to_owned()),
            key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            key => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((OsString::from_vec(name.to_vec()), value.to_vec()));
                }
            }
        }
        Some(())
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Appends one record to `out`: its own length in decimal, a space, `key=value`, a newline.
pub(super) fn render(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_any_length_and_content_come_back() {
        for length in (0..12).chain(80..120).chain(980..1000) {
            let value = vec![b'\n'; length];
            let mut data = Vec::new();
            render(&mut data, b"SCHILY.xattr.user.a", &value);
            render(&mut data, b"path", b"etc/a");
            let mut extended = Extended::default();
            extended.add(&data).unwrap();
            assert_eq!(extended.xattrs, [("user.a".into(), value)]);
            assert_eq!(extended.path.as_deref(), Some(&b"etc/a"[..]));
        }
    }

    #[test]
    fn garbage_is_an_error() {
        for data in [
            &b"x"[..],
            b"5 a\n",
            b"999 a=b\n",
            b"0 a=b\n",
            b"7 size=\n",
            b"3 \n",
            b"99999999999999999999 a=b\n",
        ] {
            assert!(Extended::default().add(data).is_err(), "{data:?}");
        }
    }
}
