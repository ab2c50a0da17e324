"""The scan of logs by `diagnose`, beside grep with one and with three of the texts."""

import os, random, subprocess

from measure import AT, BINARY, RUNS, aim, compare, heading, tree

MIB = int(os.environ.get("MIB", "1024"))
TEXTS = ["certificate has expired or is not yet valid", "tls: bad certificate", "authentication handshake failed"]

# As components write it, in CRI form.
PLAIN = [
    'I1123 22:26:59.021246       1 trace.go:205] Trace[1605429216]: "Reflector ListAndWatch" name:k8s.io/client-go/informers/factory.go:134 (total time: 10001ms):',
    'I1123 22:21:52.339624       1 httplog.go:89] "HTTP" verb="GET" URI="/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager?timeout=10s" latency="4.08ms" userAgent="kube-controller-manager/v1.20.2" srcIP="10.200.0.4:48320" resp=200',
    '2026-11-23 22:25:24.966841 W | etcdserver: read-only range request "key:\\"/registry/leases/kube-system/kube-controller-manager\\" " with result "range_response_count:1 size:504" took too long (615.526285ms) to execute',
    'I1123 22:26:58.808317       1 dynamic_cafile_content.go:167] Starting client-ca-bundle::/etc/kubernetes/pki/ca.crt',
    'E1123 22:26:59.253753       1 kubelet.go:2243] node "lab-cp1" not found',
    '{"level":"info","ts":"2026-11-23T22:26:58.954Z","caller":"mvcc/hash.go:137","msg":"storing new hash","hash":3110812023,"revision":12345,"compact-revision":11111}',
]
KNOWN = [
    '2026-11-23 22:26:58.954945 I | embed: rejected connection from "127.0.0.1:39120" (error "remote error: tls: bad certificate", ServerName "")',
    'E1123 22:26:59.038861       1 reflector.go:138] k8s.io/client-go/informers/factory.go:134: Failed to watch *v1.Node: failed to list *v1.Node: Get "https://10.200.0.4:6443/api/v1/nodes?limit=500&resourceVersion=0": x509: certificate has expired or is not yet valid: current time 2026-11-23T22:26:59Z is after 2026-10-24T22:26:21Z',
    'W1123 22:29:03.608296       1 clientconn.go:1223] grpc: addrConn.createTransport failed to connect to {https://127.0.0.1:2379  <nil> 0 <nil>}. Err :connection error: desc = "transport: authentication handshake failed: x509: certificate has expired or is not yet valid: current time 2026-11-23T22:29:03Z is after 2026-10-24T22:26:21Z". Reconnecting...',
]


def logs(directory, mib, known):
    """Files of 10 MiB, as the kubelet rotates them; `known` of 1000 lines are known ones."""
    tree("rsa2048")(directory)
    generator, blocks, second = random.Random(1), [], 0
    for block in range(8):
        lines = []
        for _ in range(5000):
            second += 1
            text = generator.choice(KNOWN if generator.randrange(1000) < known else PLAIN)
            hour, minute = second // 3600 % 24, second // 60 % 60
            lines.append(f"2026-11-{10 + block:02}T{hour:02}:{minute:02}:{second % 60:02}.{generator.randrange(10**9):09}Z stderr F {text} {generator.getrandbits(64):x}\n")
        blocks.append("".join(lines).encode())
    made, file = 0, 0
    while made < mib << 20:
        name = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")[file % 4]
        place = f"{directory}/var/log/pods/kube-system_{name}-lab-cp1_708740a2/{name}"
        os.makedirs(place, exist_ok=True)
        with open(f"{place}/{file // 4}.log", "wb") as out:
            while out.tell() < 10 << 20 and made < mib << 20:
                made += out.write(generator.choice(blocks)[: (mib << 20) - made])
        file += 1


def scan():
    return [BINARY, "diagnose", "--timeline", "--root", "ROOT", "--at", AT]


def run():
    heading(f"{MIB} MiB of logs")
    greps = {"grep -cF": ["-e", TEXTS[0]], "grep, three": [word for text in TEXTS for word in ("-e", text)]}
    for known, name in ((1, "1 known line in 1000"), (500, "1 known line in 2")):
        commands = {"kuberescue": scan()}
        for who, texts in greps.items():
            commands[who] = ["env", "LC_ALL=C", "grep", "-rcF", *texts, "ROOT/var/log/pods"]
        # grep tells by 1 that a file has none.
        result = compare(f"diagnose, {name}", commands, lambda at, known=known: logs(at, MIB, known), runs=min(RUNS, 3), codes=(0, 1))
        rate = MIB / result["kuberescue"].cpu()
        print(f"    {rate:.0f} MiB for each second of CPU time")
        aim("300 MiB for each second of CPU time", rate >= 300)


if __name__ == "__main__":
    run()
