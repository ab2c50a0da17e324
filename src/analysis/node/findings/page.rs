//! What belongs to a code: its page, its name, and its remedy where it was found.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::code::{CODES, Code};

/// What kind of trouble a finding is: certificates are what this tool repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The clock.
    Clock,
    /// Space on the disk.
    Disk,
    /// etcd's data.
    Etcd,
    /// Static-pod manifests.
    Manifest,
    /// The kubelet's configuration.
    Kubelet,
    /// Certificates, keys, kubeconfigs.
    Credential,
    /// Keys that others can read.
    Exposure,
    /// Kubeconfigs away from a node: what `kubeconfig check` tells.
    Kubeconfig,
}

/// The page of a code.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Page {
    /// The code as it is printed.
    pub code: &'static str,
    /// What kind of trouble it is.
    pub class: Class,
    /// In a few words.
    pub title: &'static str,
    /// What it means for the node.
    pub meaning: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do. `FILE` stands for the file of the finding, `FILE_DIR` for its directory.
    pub remedy: &'static str,
}

/// Makes the codes from a table, each with its page.
macro_rules! codes {
    ($($name:ident $code:literal $class:ident: $title:literal, $meaning:literal, $cause:literal, $remedy:literal;)*) => {
        /// What is wrong, as a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        /// Every code, in the order of `explain --list`.
        pub const CODES: &[Code] = &[$(Code::$name),*];

        impl Code {
            /// Its page.
            pub const fn page(self) -> Page {
                match self {
                    $(Self::$name => Page {
                        code: $code,
                        class: Class::$class,
                        title: $title,
                        meaning: $meaning,
                        cause: $cause,
                        remedy: $remedy,
                    },)*
                }
            }
        }
    };
}
pub(super) use codes;

impl Code {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        self.page().code
    }

    /// What to do about it where it was found: for a shell, whatever the path's characters.
    pub fn remedy_for(self, path: &Path) -> String {
        let directory = path.parent().unwrap_or(path);
        self.page().remedy.replace("FILE_DIR", &quoted(directory)).replace("FILE", &quoted(path))
    }

    /// The code of this name.
    pub fn named(name: &str) -> Option<Self> {
        CODES.iter().copied().find(|code| code.as_str() == name)
    }
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
