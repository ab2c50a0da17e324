//! `nodes`, and with it how every command of this program talks to an API server that is not this node's own: whose
//! kubeconfig is taken, what goes wrong on the way and how that is said. Real HTTPS, to a stand-in of the API server
//! that answers as a real one once did (tests/apiserver).

#[path = "../apiserver/mod.rs"]
mod apiserver;
#[path = "../common/mod.rs"]
mod common;
#[path = "../apiserver/server.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod server;

mod faults;
mod listing;
mod plugins;
mod proxies;

use std::ops::Deref;
use std::sync::LazyLock;

use regex::Regex;

use common::{Run, desk, run};

/// A directory of a person who has kubeconfigs.
struct Desk {
    desk: desk::Desk,
}

impl Deref for Desk {
    type Target = desk::Desk;

    fn deref(&self) -> &desk::Desk {
        &self.desk
    }
}

impl Desk {
    fn new() -> Self {
        Self { desk: desk::Desk::new() }
    }

    /// With this kubeconfig as the default one.
    fn with(kubeconfig: &str) -> Self {
        let desk = Self::new();
        desk.write("config", kubeconfig);
        desk
    }

    fn command(&self, arguments: &str) -> std::process::Command {
        let mut command = self.desk.command(arguments);
        command.env("KUBECONFIG", self.path("config"));
        command
    }

    fn nodes(&self, arguments: &str) -> Run {
        run(self.command(&format!("nodes {arguments}")))
    }
}

/// It failed with 2, printed no result and no secret; what it said, without what differs from run to run.
#[track_caller]
fn could_not(run: &Run) -> String {
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run}");
    assert!(run.err.contains("\nhint: ") && !run.err.contains("s3cret"), "{run}");
    VARYING
        .iter()
        .fold(run.err.clone(), |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
}

static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"/(?:tmp|var/tmp)/\.tmp\w+", "DIR"),
        (r"\(\d+ days ago\)", "(N days ago)"),
        (r"(127\.\d+\.0\.\d+|localhost):\d{2,}", "ADDRESS"),
        (r"after \d{3,} bytes", "after N bytes"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .into()
});
