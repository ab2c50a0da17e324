//! `containers [--socket=SOCKET] [--version=runtime.v1alpha2]`: what the runtime has, one JSON object a line, for the
//! tests (there is no crictl in Debian 12).

use serde_json::json;

use crate::cri::{Containers, Empty, Runtime};
use crate::{Failure, Flags};

pub(crate) async fn run(flags: &Flags) -> Result<(), Failure> {
    let runtime = Runtime::new(flags.get("socket").unwrap_or("/run/containerd/containerd.sock"));
    let method = match flags.get("version") {
        Some("runtime.v1alpha2") => "/runtime.v1alpha2.RuntimeService/ListContainers",
        _ => "/runtime.v1.RuntimeService/ListContainers",
    };
    let containers: Containers = runtime.call(method, Empty {}).await?;
    for container in containers.items {
        let label = |name: &str| container.labels.get(&format!("io.kubernetes.{name}"));
        let state = match container.state {
            0 => "created",
            1 => "running",
            2 => "exited",
            _ => "unknown",
        };
        let line = json!({
            "id": container.id, "sandbox": container.sandbox, "attempt": container.attempt(), "state": state,
            "name": label("container.name"), "pod": label("pod.name"), "namespace": label("pod.namespace"),
            "uid": label("pod.uid"),
        });
        println!("{line}");
    }
    Ok(())
}
