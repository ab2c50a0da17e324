//! Who runs the tool, as far as a machine knows: for the record of what was done.

use serde::{Deserialize, Serialize};

/// Who ran it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Invoker {
    /// Real user id of the process.
    pub uid: u32,
    /// Who became that user with sudo: its variable `SUDO_USER`, which anyone can set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// The terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<String>,
}
