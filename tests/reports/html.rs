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
    let title = page.lines().find(|line| line.starts_with("<title>")).unwrap();
    let (_, verdict) = page.split_once("<h2 id=\"verdict\">").unwrap();
    let (verdict, rest) = verdict.split_once("</section>").unwrap();
    insta::assert_snapshot!(format!("{title}\n{verdict}"), @r#"
    <title>cp-1: broken: certificates, keys or kubeconfigs – kuberescue</title>
    CANNOT START<span class="sep">: </span><span class="why">13 of 13 certificates expired 693 days ago</span></h2>
    <p class="run"><span class="label">Cause</span> <span>etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid until 2033-12-29</span></p>
    <p class="run"><span class="label">Next</span> <code>sudo kuberescue recover</code></p>
    <p class="workloads">Running pods are not affected, but nothing can be managed until this is repaired.</p>
    "#);
    let (_, blockers) = rest.split_once("id=\"blockers\"").unwrap();
    insta::assert_snapshot!(blockers.split_once("</section>").unwrap().0, @r#"
     aria-labelledby="blockers-h">
    <h2 id="blockers-h">Blocking problems (root cause first)</h2>
    <p class="hint">What is below the first one may only follow from it. Where nothing is said to do, it is the same as above.</p>
    <ol class="findings blocker">
    <li>
    <h3><span class="subject">etcd-server</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>the API server rejects etcd: nothing can be read or written</span></p>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/pki/etcd/server.crt</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/pki/etcd/server.crt</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">etcd-peer</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>etcd&#39;s members reject each other: with several there is no leader, and nothing can be written</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/pki/etcd/peer.crt</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/pki/etcd/peer.crt</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">apiserver-etcd-client</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>etcd rejects kube-apiserver, which exits</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/pki/apiserver-etcd-client.crt</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/pki/apiserver-etcd-client.crt</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">apiserver</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>every client rejects the API server: kubectl, kubelets, controller manager, scheduler</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/pki/apiserver.crt</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/pki/apiserver.crt</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">kubelet-client</span> <span class="what">expired on 2024-12-30 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>the API server rejects the kubelet: the node is NotReady, and pods are not updated</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/var/lib/kubelet/pki/kubelet-client-current.pem</span></summary>
    <ul class="evidence">
    <li><span class="path">/var/lib/kubelet/pki/kubelet-client-current.pem</span> notAfter = <span class="value">2024-12-30T23:55:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">kubelet</span> <span class="what">its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again</span></h3>
    <p class="follows"><span class="label">Then</span> <span>no static pod is started: what is stopped stays down</span></p>
    <p class="remedy"><span class="label">Do</span> <span>Restart nothing by hand. kuberescue recover makes the kubelet&#39;s certificate before it stops anything.</span></p>
    <details>
    <summary>Evidence: <code>kubelet-crash-loop</code> in <span class="path">/var/lib/kubelet/pki/kubelet-client-current.pem</span></summary>
    <ul class="evidence">
    <li><span class="path">/var/lib/kubelet/pki/kubelet-client-current.pem</span> notAfter = <span class="value">2024-12-30T23:55:00Z</span></li>
    </ul>
    <p class="hint">More of it: <code>kuberescue explain kubelet-crash-loop</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">controller-manager.conf</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>the controller manager cannot work: no new pods, no CSRs signed, failed nodes not detected</span></p>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/controller-manager.conf</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/controller-manager.conf</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">scheduler.conf</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>the scheduler cannot work: pods stay Pending</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/scheduler.conf</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/scheduler.conf</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">apiserver-kubelet-client</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>kubelets reject the API server: no logs, no exec, no port-forward</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/pki/apiserver-kubelet-client.crt</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/pki/apiserver-kubelet-client.crt</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    <li>
    <h3><span class="subject">front-proxy-client</span> <span class="what">expired on 2024-12-31 (693 days ago)</span></h3>
    <p class="follows"><span class="label">Then</span> <span>aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating</span></p>
    <details>
    <summary>Evidence: <code>expired</code> in <span class="path">/etc/kubernetes/pki/front-proxy-client.crt</span></summary>
    <ul class="evidence">
    <li><span class="path">/etc/kubernetes/pki/front-proxy-client.crt</span> notAfter = <span class="value">2024-12-31T00:00:00Z</span></li>
    </ul>
    <p class="remedy"><span class="label">Do</span> <span>kuberescue recover renews what has expired and restarts what reads it. For a kubeconfig in a home directory, copy the renewed admin.conf over it.</span></p>
    <p class="hint">More of it: <code>kuberescue explain expired</code></p>
    </details>
    </li>
    </ol>
    "#);
    assert_eq!(page.matches(">EXPIRED 693 days ago</text>").count(), 13);
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
fn graphs_of_one_node_are_refused_for_several() {
    for form in ["dot", "mermaid"] {
        let (a, b) = (Node::of("rsa2048"), Node::of("mixed"));
        let mut command = kuberescue();
        command.args(["diagnose", "-o", form]).args([a.root(), b.root()]);
        let told = run(command);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{told}");
        assert!(told.err.contains("hint: "), "{told}");
    }
}
