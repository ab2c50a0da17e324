"""`certs renew`, `ca renew`, `certs check-expiration` and the start of the program, beside openssl's command line and kubeadm.

openssl makes the same keys, CSRs and signatures, and no archive, kubeconfigs or syncs. kubeadm 1.20.2 is there where
scripts/kubernetes/build has built it; it makes no archive and syncs nothing.
"""

import glob, os

from measure import AT, BINARY, aim, compare, heading, places, tree

PAIRS = [  # name, authority
    ("apiserver", "ca"), ("apiserver-kubelet-client", "ca"), ("front-proxy-client", "front-proxy-ca"),
    ("apiserver-etcd-client", "etcd/ca"), ("etcd/healthcheck-client", "etcd/ca"),
    ("etcd/peer", "etcd/ca"), ("etcd/server", "etcd/ca"),
    # Of the four kubeconfigs openssl makes certificate and key only; putting them in is not counted.
    ("admin", "ca"), ("controller-manager", "ca"), ("scheduler", "ca"), ("super-admin", "ca"),
]


def openssl(genkey):
    lines = ["set -e", "cd etc/kubernetes/pki"]
    for name, authority in PAIRS:
        lines += [
            f"openssl {genkey.replace('OUT', f'-out {name}.new.key')} 2>/dev/null",
            f"openssl req -new -key {name}.new.key -subj /CN={os.path.basename(name)} -out {name}.csr",
            f"openssl x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -days 365 -out {name}.new.crt 2>/dev/null",
        ]
    return ["sh", "-c", "\n".join(lines)]


def openssl_cas():
    """The three CAs with their own keys again, their copies in kubeconfigs, and each leaf certificate verified."""
    lines = ["set -e", "cd etc/kubernetes/pki"]
    for ca in ("ca", "etcd/ca", "front-proxy-ca"):
        lines += [
            f"openssl x509 -in {ca}.crt -signkey {ca}.key -days 3650 -set_serial 0x1$(openssl rand -hex 15) -out {ca}.new 2>/dev/null",
            f"mv {ca}.new {ca}.crt",
        ]
    for name in ("admin", "super-admin", "controller-manager", "scheduler", "kubelet"):
        lines.append(f'sed -i "s|certificate-authority-data: .*|certificate-authority-data: $(base64 -w0 ca.crt)|" ../{name}.conf')
    lines += [f"openssl verify -CAfile {authority}.crt {name}.crt >/dev/null" for name, authority in PAIRS[:7]]
    return ["sh", "-c", "\n".join(lines)]


def ours(*words):
    return [BINARY, *words, "--at", AT, "--root", "ROOT"]


def change(*words):
    return [*ours(*words), "--yes", "--accept-clock"]


def kubeadm():
    """kubeadm 1.20.2 in the tree, or None. With a file of its own configuration it asks no API server."""
    built = sorted(glob.glob(os.path.expanduser("~/.cache/kuberescue/kubernetes-*/bin/kubeadm")))
    return [built[-1], "--rootfs", "ROOT", "certs"] if built else None


def with_configuration(directory):
    tree("v120-expired")(directory)
    with open(f"{directory}/configuration.yaml", "w") as file:
        file.write("apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\nkubernetesVersion: v1.20.2\n")


def run():
    heading("Renewing and checking")
    results = {}
    for place in places():
        results["rsa", place[0]] = compare("certs renew all, RSA-2048", {
            "kuberescue": change("certs", "renew", "all"), "openssl": openssl("genrsa OUT 2048")}, tree("rsa2048"), place)
        results["ecdsa", place[0]] = compare("certs renew all, ECDSA P-256", {
            "kuberescue": change("certs", "renew", "all"),
            "openssl": openssl("genpkey OUT -algorithm EC -pkeyopt ec_paramgen_curve:P-256")}, tree("ecdsa-p256"), place)
        compare("ca renew all, RSA-2048", {
            "kuberescue": change("ca", "renew", "all", "--days", "3653"), "openssl": openssl_cas()}, tree("rsa2048"), place)
        theirs = kubeadm()
        if not theirs:
            print("    kubeadm is left out: scripts/kubernetes/build has not built it")
        for what, words, make in (("renew", ["renew", "all"], change), ("check-expiration", ["check-expiration"], ours)):
            commands = {"kuberescue": make("certs", *words)}
            if theirs:
                commands["kubeadm"] = [*theirs, *words, "--config", "/configuration.yaml"]
            # Exit 1 of ours: the node's certificates have expired.
            codes = (0,) if what == "renew" else (0, 1)
            results[what, place[0]] = compare(f"certs {what}, a node of 1.20", commands, with_configuration, place, codes=codes)
    results["version", "-"] = compare("version (start of the program)", {"kuberescue": [BINARY, "version"]}, lambda _: None)
    print()
    for text, what, where, limit in (
        ("certs renew all, RSA-2048, best < 365 ms (half of kubeadm 1.36's best of 730 ms)", "rsa", "", 0.365),
        # On a disk the time is that of the disk's syncs.
        ("certs renew all, ECDSA P-256, best < 10 ms", "ecdsa", "tmpfs", 0.010),
        ("certs check-expiration, best < 10 ms", "check-expiration", "", 0.010),
    ):
        for (name, place), result in results.items():
            if name == what and where in ("", place):
                aim(f"{text}, {place}", min(result["kuberescue"].walls) < limit)
    aim("peak memory of certs renew all < 32 MiB", results["rsa", "disk"]["kuberescue"].peak < 32)


if __name__ == "__main__":
    run()
