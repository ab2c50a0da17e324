//! `install --context`: one context's credential and CA inside a file, everything else byte for byte.

use crate::common::base64;
use crate::scene::{FROM, Scene};
use crate::server::{Authority, Leaf};

/// A file of somebody with two clusters, written by hand: comments, quotes, line ends of two systems.
struct Mine {
    scene: Scene,
    text: String,
    other: Authority,
}

fn pem(leaf: &Leaf) -> (String, String) {
    (base64(leaf.certificate.to_pem().as_bytes()), base64(leaf.key.to_pem().as_bytes()))
}

impl Mine {
    fn new() -> Self {
        let scene = Scene::new();
        let (old, other) = (scene.cluster.authority.expired("kubernetes-admin"), Authority::new("other"));
        let ca = base64(scene.cluster.authority.certificate.to_pem().as_bytes());
        let ((certificate, key), (far, far_key)) = (pem(&old), pem(&other.leaf("far")));
        let text = format!(
            "# my clusters\r\napiVersion: v1\nkind: Config\ncurrent-context: far # not the one\ncontexts:\n- name: far\n  \
             context: {{cluster: far, user: far}}\n- context:\n    user: 'prod admin'\n    cluster: prod\n    namespace: \
             shop\n  name: prod\n- {{name: prod2, context: {{cluster: prod, user: prod admin}}}}\nclusters:\n- name: \
             far\n  cluster: {{server: 'https://far:6443', certificate-authority-data: {far}}}\n- cluster:\n    \
             certificate-authority-data: \"{ca}\"   # the CA\n    server: {}/\r\n  name: prod\nusers:\n- name: far\n  \
             user: {{client-certificate-data: {far}, client-key-data: {far_key}}}\n- name: prod admin\n  user:\n    # the \
             key first\n    client-key-data: '{key}'\n    client-certificate-data: {certificate}\n",
            scene.cluster.url()
        );
        scene.write("home/.kube/config", &text);
        Self { scene, text, other }
    }

    /// The text with the credential of the new kubeconfig.
    fn expected(&self) -> String {
        let (certificate, key) = pem(&self.scene.leaf);
        let (mut expected, old) = (self.text.clone(), &self.text);
        let value = |field: &str| {
            let start = old.rfind(field).unwrap() + field.len();
            old[start..].lines().next().unwrap().trim_matches('\'').to_owned()
        };
        for (field, new) in [("client-key-data: ", key), ("client-certificate-data: ", certificate)] {
            expected = expected.replace(&value(field), &new);
        }
        assert_ne!(&expected, old);
        expected
    }
}

#[test]
fn only_the_values_change() {
    let mine = Mine::new();
    let scene = &mine.scene;
    let dry = scene.run(&format!("install {FROM} --context prod --dry-run"));
    assert_eq!((dry.code, scene.read("home/.kube/config")), (0, mine.text.clone()), "{dry}");
    let run = scene.run(&format!("install {FROM} --context prod --yes"));
    assert_eq!((run.code, &run.out), (0, &dry.out), "{run}");
    assert_eq!(scene.read("home/.kube/config"), mine.expected());
    let copies = scene.copies("home/.kube/config");
    assert_eq!((copies.len(), scene.read(&copies[0])), (1, mine.text.clone()));
    // What listed the nodes is that context of that file.
    let log: Vec<_> = scene.cluster.store().log.iter().map(|asked| asked.user.clone()).collect();
    assert_eq!(log, [Some("kubernetes-admin".to_owned()), Some("kubernetes-admin".to_owned())]);
    scene.run(&format!("install {FROM} --context prod --yes"));
    assert_eq!(scene.run(&format!("fetch {FROM} --compare {}", copies[0])).code, 1);
    insta::assert_snapshot!(scene.screens(), @r#"
    install --admin-kubeconfig admin --cluster cluster1 --context prod --dry-run: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER/:
      Plan: DIR/home/.kube/config: context "prod" gets the new credential, the rest stays; the old file is kept beside it
      note: contexts of the same user change too: "prod2"
      Dry run: nothing was changed.
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 0
      …
      Installed DIR/home/.kube/config
      Old file: DIR/home/.kube/config.TIME
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 0
      …
      Nothing to do: DIR/home/.kube/config is up to date
    fetch --admin-kubeconfig admin --cluster cluster1 --compare home/.kube/config.TIME: exit 1
      …
      home/.kube/config.TIME and Secret cluster-cluster1/cluster1-kubeconfig: different certificates
    "#);
}

#[test]
fn a_new_ca_goes_with_it_and_the_server_stays() {
    let mine = Mine::new();
    let scene = &mine.scene;
    // The file has the right address and an old CA; the Secret an address for others.
    let old_ca = base64(scene.cluster.authority.certificate.to_pem().as_bytes());
    let text = mine.text.replace(&old_ca, &base64(mine.other.certificate.to_pem().as_bytes()));
    scene.write("mine", &text);
    scene.keep_in_secret(scene.elsewhere(&scene.cluster.url(), &scene.cluster.authority, &scene.leaf));
    let run = scene.run(&format!("install {FROM} --context prod --file mine --yes"));
    assert_eq!((run.code, scene.read("mine")), (0, mine.expected()), "{run}");
    // With the same CA the address is the file's, even where the Secret has another.
    scene.write("mine", &mine.text);
    scene.keep_in_secret(scene.elsewhere("https://10.9.9.9:6443", &scene.cluster.authority, &scene.leaf));
    let run = scene.run(&format!("install {FROM} --context prod --file mine --yes"));
    assert_eq!((run.code, scene.read("mine")), (0, mine.expected()), "{run}");
    insta::assert_snapshot!(scene.screens(), @r#"
    install --admin-kubeconfig admin --cluster cluster1 --context prod --file mine --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER/:
      Plan: mine: context "prod" gets the new credential, the rest stays; the old file is kept beside it
      note: contexts of the same user change too: "prod2"
      Installed mine
      Old file: mine.TIME
    install --admin-kubeconfig admin --cluster cluster1 --context prod --file mine --yes: exit 0
      …
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server https://10.9.9.9:6443
      The new kubeconfig works. Nodes of CLUSTER/:
      Plan: mine: context "prod" gets the new credential, the rest stays; the old file is kept beside it
      note: contexts of the same user change too: "prod2"
      Installed mine
      Old file: mine.TIME
    "#);
}

#[test]
fn contexts_that_cannot_be_replaced() {
    let mine = Mine::new();
    let scene = &mine.scene;
    let fails = |context: &str| {
        scene.fails(&format!("install {FROM} --context {context} --yes"));
    };
    fails("nope");
    fails("far");
    for user in [
        "{token: s3cret}",
        "{exec: {command: touch}}",
        "{client-certificate: /a.crt, client-key: /a.key}",
        "{auth-provider: {name: oidc}}",
        "{}",
    ] {
        let start = mine.text.find("  user:\n    # the").unwrap();
        scene.write("home/.kube/config", format!("{}  user: {user}\n", &mine.text[..start]));
        fails("prod");
    }
    // A value on several lines can't be replaced in place.
    let start = mine.text.find("client-key-data: '").unwrap() + "client-key-data: ".len();
    let end = start + mine.text[start..].find('\n').unwrap();
    let (head, tail) = mine.text[start + 1..end - 1].split_at(64);
    let block = format!("{}|\n      {head}\n      {tail}{}", &mine.text[..start], &mine.text[end..]);
    scene.write("home/.kube/config", block);
    fails("prod");
    scene.write("home/.kube/config", "junk: [");
    fails("prod");
    std::fs::remove_file(scene.path("home/.kube/config")).unwrap();
    fails("prod");
    fails("prod --file new");
    insta::assert_snapshot!(scene.screens(), @r#"
    install --admin-kubeconfig admin --cluster cluster1 --context nope --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [kubeconfig-unusable]: cannot read DIR/home/.kube/config: no context "nope" (contexts: far, prod, prod2)
      hint: kuberescue kubeconfig check DIR/home/.kube/config
    install --admin-kubeconfig admin --cluster cluster1 --context far --yes: exit 5
      …
      error [another-cluster]: cannot replace DIR/home/.kube/config with Secret cluster-cluster1/cluster1-kubeconfig: other cluster (server CLUSTER, was https://far:6443; no common CA key)
      hint: if that is intended: --accept-cluster
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [no-credential]: cannot use DIR/home/.kube/config: user "prod admin" has no embedded client certificate, but a token
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [no-credential]: cannot use DIR/home/.kube/config: user "prod admin" has no embedded client certificate, but an exec plug-in
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [no-credential]: cannot use DIR/home/.kube/config: user "prod admin" has no embedded client certificate, but files
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [no-credential]: cannot use DIR/home/.kube/config: user "prod admin" has no embedded client certificate, but an auth provider
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [no-credential]: cannot use DIR/home/.kube/config: user "prod admin" has no embedded client certificate, but nothing
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [kubeconfig-unusable]: cannot edit context "prod" of DIR/home/.kube/config: client-key-data is a block scalar or an alias, which cannot be replaced in place; write it on one line
      hint: run without --context to replace the whole file
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      …
      error [kubeconfig-unusable]: cannot read DIR/home/.kube/config: not a kubeconfig: line 1, column 7: not valid YAML
      hint: kuberescue kubeconfig check DIR/home/.kube/config
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      error [usage]: cannot find a kubeconfig: ~/.kube/config leads to none
      hint: name it: --file FILE
    install --admin-kubeconfig admin --cluster cluster1 --context prod --file new --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [usage]: cannot read new: not found
      hint: run without --context to write a new file
    "#);
}

#[test]
fn of_several_kubeconfigs_one_is_to_be_named() {
    let mine = Mine::new();
    let scene = &mine.scene;
    scene.write("a", &mine.text);
    scene.write("b", &mine.text);
    let install = format!("install {FROM} --context prod --yes");
    let with = |kubeconfigs: &str| {
        let mut command = scene.command(&install);
        command.env("KUBECONFIG", kubeconfigs);
        scene.run_as(command, &install)
    };
    with("a:b");
    let run = with("a");
    assert_eq!((run.code, scene.read("a")), (0, mine.expected()), "{run}");
    assert_eq!(scene.read("b"), mine.text);
    insta::assert_snapshot!(scene.screens(), @r#"
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 2
      error [usage]: cannot choose a kubeconfig: $KUBECONFIG lists several
      hint: name the one with the context: --file FILE
    install --admin-kubeconfig admin --cluster cluster1 --context prod --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER/:
      Plan: a: context "prod" gets the new credential, the rest stays; the old file is kept beside it
      note: contexts of the same user change too: "prod2"
      Installed a
      Old file: a.TIME
    "#);
}
