//! `-o html` without a browser: what is in the file, and what isn't.

use crate::common::{Node, kuberescue, run};
use crate::{TREES, diagnose, self_signed};

#[test]
fn one_file_that_needs_nothing_else() {
    for tree in TREES {
        let page = diagnose(&Node::of(tree), "-o html");
        assert!(page.starts_with("<!doctype html>\n") && page.ends_with("</html>\n"), "{tree}");
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""), "{tree}");
        for wrong in
            ["<script", "<link", "<img", "<iframe", "src=", "http:", "https:", "@import", "javascript:"]
        {
            assert!(!page.contains(wrong), "{tree}: {wrong}");
        }
        assert_eq!(page.matches("url(").count(), page.matches("url(#").count(), "{tree}");
        assert!(!page.contains("PRIVATE KEY"), "{tree}");
    }
}

#[test]
fn it_is_the_same_each_time() {
    let node = Node::of("mixed");
    assert_eq!(diagnose(&node, "-o html"), diagnose(&node, "-o html"));
}

#[test]
fn it_says_what_matters() {
    let page = diagnose(&Node::of("expired-all"), "-o html");
    for words in [
        "<title>cp-1: broken: certificates, keys or kubeconfigs – kuberescue</title>",
        "<h2 id=\"verdict\">control plane cannot start",
        "all 13 certificates expired 693 days ago",
        "<code>sudo kuberescue recover</code>",
        "Running pods are not affected",
        "the API server rejects etcd: nothing can be read or written",
        "<code>kuberescue explain kubelet-crash-loop</code>",
        ">EXPIRED 693 days ago</text>",
        "presented by <span class=\"nb\">kube-apiserver</span>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let well = diagnose(&Node::of("rsa2048"), "-o html");
    assert!(well.contains("class=\"verdict well\"") && !well.contains("id=\"blockers\""));
    // What was made for a year is in what ends next, without a word about a horizon.
    assert!(well.contains("id=\"horizon\"") && well.contains("<time datetime=\"2027-11-23T22:23:25Z\">"));
}

#[test]
fn foreign_text_stays_text() {
    let node = Node::of("rsa2048");
    let common_name = "</style><script>alert(1)</script>\"'&\u{1b}[31m";
    node.write("/etc/kubernetes/pki/apiserver.crt", self_signed(common_name));
    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    node.replace(
        manifest,
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--client-ca-file=/<img src=x onerror=alert(1)>",
    );
    let page = diagnose(&node, "-o html");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{1b}'));
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
}

#[test]
fn reports_of_one_node_are_refused_for_several() {
    for form in ["html", "prometheus"] {
        let (a, b) = (Node::of("rsa2048"), Node::of("mixed"));
        let mut command = kuberescue();
        command.args(["diagnose", "-o", form]).args([a.root(), b.root()]);
        let told = run(command);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{told}");
        assert!(told.err.contains("hint: "), "{told}");
    }
}
