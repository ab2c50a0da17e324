//! Archives that another program has compressed or encrypted: they are named as what they are.

use std::fmt;
use std::path::Path;

use crate::state::text::shell_word;

/// The program that undoes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Xz,
    Zstd,
    Bzip2,
    Age,
}

/// The first bytes of their files.
const BEGINNINGS: [(&[u8], Packing); 5] = [
    (b"\xfd7zXZ\0", Packing::Xz),
    (b"\x28\xb5\x2f\xfd", Packing::Zstd),
    (b"BZh", Packing::Bzip2),
    (b"age-encryption.org/v1\n", Packing::Age),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", Packing::Age),
];

/// What `bundle create` writes: encrypted with age, and read by `bundle apply`.
const BUNDLE: &str = ".bundle.age";

impl Packing {
    /// By the first bytes of a file.
    pub fn of(start: &[u8]) -> Option<Self> {
        BEGINNINGS.iter().find(|(beginning, _)| start.starts_with(beginning)).map(|(_, packing)| *packing)
    }

    /// The command that makes a readable archive of the file, and keeps the file.
    pub fn undone(self, file: &Path) -> String {
        let name = file.display().to_string();
        let word = shell_word(&name);
        match self {
            Self::Xz => format!("xz -dk {word}"),
            Self::Zstd => format!("zstd -d {word}"),
            Self::Bzip2 => format!("bzip2 -dk {word}"),
            Self::Age if name.ends_with(BUNDLE) => format!("sudo kuberescue bundle apply {word}"),
            Self::Age => {
                let plain = name.strip_suffix(".age").map_or_else(|| format!("{name}.tar.gz"), str::to_owned);
                format!("age -d -i IDENTITY -o {} {word}", shell_word(&plain))
            }
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xz => "compressed with xz",
            Self::Zstd => "compressed with zstd",
            Self::Bzip2 => "compressed with bzip2",
            Self::Age => "encrypted with age",
        })
    }
}
