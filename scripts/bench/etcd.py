"""A snapshot of etcd's database, from the disk, and its check, beside cp and sha256sum and beside etcdctl.

The database is written by a real etcd, over its JSON gateway.
"""

import base64, json, os, random, shutil, subprocess, tempfile, time, urllib.request

from measure import BINARY, RUNS, compare, heading, tree

GIB = float(os.environ.get("GIB", "4"))
URL = "http://127.0.0.1:52379"
DATABASE = "var/lib/etcd/member/snap/db"


def fill(data):
    """Objects of 14 kB, a hundred in a transaction."""
    command = ["etcd", "--data-dir", data, "--listen-client-urls", URL, "--advertise-client-urls", URL,
               "--listen-peer-urls", "http://127.0.0.1:52380", "--quota-backend-bytes", str(8 << 30)]
    etcd = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    generator, made = random.Random(1), 0

    def ask(path, body):
        request = urllib.request.Request(URL + path, json.dumps(body).encode())
        return json.load(urllib.request.urlopen(request, timeout=60))

    try:
        for _ in range(600):
            try:
                ask("/v3/maintenance/status", {})
                break
            except OSError:
                time.sleep(0.1)
        while made < GIB * 2**30:
            puts = []
            for number in range(100):
                key = f"/registry/configmaps/bench/{made + number:020}"
                value = b"k8s\0" + generator.randbytes(7000) + bytes(7000)
                puts.append({"requestPut": {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value).decode()}})
            ask("/v3/kv/txn", {"success": puts})
            made += 100 * 14004
    finally:
        etcd.terminate()
        etcd.wait()


def run():
    heading(f"etcd's database of {GIB:g} GiB")
    work = tempfile.mkdtemp(prefix="kuberescue-bench-etcd-")
    try:
        tree("rsa2048")(work)
        shutil.rmtree(f"{work}/var/lib/etcd", ignore_errors=True)
        fill(f"{work}/var/lib/etcd")
        database, runs = f"{work}/{DATABASE}", min(RUNS, 3)
        compare("etcd snapshot save", {
            "kuberescue": [BINARY, "etcd", "snapshot", "save", "ROOT/a.db", "--root", work],
            "cp, sha256sum": ["sh", "-c", f"cp --reflink=never {database} ROOT/a.db && sync ROOT/a.db && sha256sum ROOT/a.db"],
        }, lambda _: None, runs=runs)
        snapshot = f"{work}/snapshot.db"
        subprocess.run([BINARY, "etcd", "snapshot", "save", snapshot, "--root", work], check=True, stdout=subprocess.DEVNULL)
        compare("etcd status of the snapshot", {
            "kuberescue": [BINARY, "etcd", "status", snapshot],
            "sha256sum": ["sha256sum", snapshot],
            "etcdctl": ["env", "ETCDCTL_API=3", "etcdctl", "snapshot", "status", snapshot],
        }, lambda _: None, runs=runs)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    run()
