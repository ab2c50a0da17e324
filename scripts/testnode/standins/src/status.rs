//! An API server's refusal. The stand-in of `tests/apiserver` uses this file too.

use serde_json::{Value, json};

/// An object of kind Status, as the real API server gives it.
pub(crate) fn status_object(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}
