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
    let config = scene.path("home/.kube/config").display().to_string();
    let plan = format!(
        "\nPlan: {config}: context \"prod\" gets the new credential, the rest stays; the old file is kept beside \
         it\nnote: contexts of the same user change too: \"prod2\"\n"
    );
    assert!(dry.err.ends_with(&format!("{plan}Dry run: nothing was changed.\n")), "{dry}");
    let old = scene.path(&copies[0]).display().to_string();
    assert!(run.err.ends_with(&format!("{plan}Installed {config}\nOld file: {old}\n")), "{run}");
    // What listed the nodes is that context of that file.
    let log: Vec<_> = scene.cluster.store().log.iter().map(|asked| asked.user.clone()).collect();
    assert_eq!(log, [Some("kubernetes-admin".to_owned()), Some("kubernetes-admin".to_owned())]);
    let again = scene.run(&format!("install {FROM} --context prod --yes"));
    assert!(
        again.code == 0 && again.err.ends_with(&format!("\nNothing to do: {config} is up to date\n")),
        "{again}"
    );
    assert_eq!(scene.run(&format!("fetch {FROM} --compare {}", copies[0])).code, 1);
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
}

#[test]
fn contexts_that_cannot_be_replaced() {
    let mine = Mine::new();
    let scene = &mine.scene;
    let fails = |context: &str, code: i32, said: &str| {
        scene.fails(&format!("install {FROM} --context {context} --yes"), code, &[said]);
    };
    let config = scene.path("home/.kube/config").display().to_string();
    let check = format!("\nhint: kuberescue kubeconfig check {config}\n");
    let nope = format!(
        "error [kubeconfig-unusable]: cannot read {config}: no context \"nope\" (contexts: far, prod, prod2){check}"
    );
    fails("nope", 2, &nope);
    let (was, is) = ("https://far:6443", scene.cluster.url());
    let other = format!(
        "error [another-cluster]: cannot replace {config} with Secret cluster-cluster1/cluster1-kubeconfig: other \
         cluster (server {is}, was {was}; no common CA key)\nhint: if that is intended: --accept-cluster\n"
    );
    fails("far", 5, &other);
    for (user, uses) in [
        ("{token: s3cret}", "a token"),
        ("{exec: {command: touch}}", "an exec plug-in"),
        ("{client-certificate: /a.crt, client-key: /a.key}", "files"),
        ("{auth-provider: {name: oidc}}", "an auth provider"),
        ("{}", "nothing"),
    ] {
        let start = mine.text.find("  user:\n    # the").unwrap();
        scene.write("home/.kube/config", format!("{}  user: {user}\n", &mine.text[..start]));
        let error = format!(
            "error [no-credential]: cannot use {config}: user \"prod admin\" has no embedded client certificate, but {uses}\nhint: use \
             a kubeconfig with embedded certificates, such as admin.conf\n"
        );
        fails("prod", 2, &error);
    }
    // A value on several lines can't be replaced in place.
    let start = mine.text.find("client-key-data: '").unwrap() + "client-key-data: ".len();
    let end = start + mine.text[start..].find('\n').unwrap();
    let (head, tail) = mine.text[start + 1..end - 1].split_at(64);
    let block = format!("{}|\n      {head}\n      {tail}{}", &mine.text[..start], &mine.text[end..]);
    scene.write("home/.kube/config", block);
    let one_line = format!(
        "error [kubeconfig-unusable]: cannot edit context \"prod\" of {config}: client-key-data is a block scalar or an alias, which cannot be \
         replaced in place; write it on one line\nhint: run without --context to replace the whole file\n"
    );
    fails("prod", 2, &one_line);
    scene.write("home/.kube/config", "junk: [");
    fails("prod", 2, &format!("error [kubeconfig-unusable]: cannot read {config}: not a kubeconfig: "));
    std::fs::remove_file(scene.path("home/.kube/config")).unwrap();
    let none =
        "error [usage]: cannot find a kubeconfig: ~/.kube/config leads to none\nhint: name it: --file FILE\n";
    fails("prod", 2, none);
    let missing =
        "error [usage]: cannot read new: not found\nhint: run without --context to write a new file\n";
    fails("prod --file new", 2, missing);
}

#[test]
fn of_several_kubeconfigs_one_is_to_be_named() {
    let mine = Mine::new();
    let scene = &mine.scene;
    scene.write("a", &mine.text);
    scene.write("b", &mine.text);
    let mut command = scene.command(&format!("install {FROM} --context prod --yes"));
    command.env("KUBECONFIG", "a:b");
    let run = crate::common::run(command);
    let error = "error [usage]: cannot choose a kubeconfig: $KUBECONFIG lists several\nhint: name the one with the context: \
                 --file FILE\n";
    assert_eq!((run.code, run.err.as_str()), (2, error), "{run}");
    let mut command = scene.command(&format!("install {FROM} --context prod --yes"));
    command.env("KUBECONFIG", "a");
    let run = crate::common::run(command);
    assert_eq!((run.code, scene.read("a")), (0, mine.expected()), "{run}");
    assert_eq!(scene.read("b"), mine.text);
}
