#!/usr/bin/env bash
# What is measured: `certs renew all` on kubeadm's default tree (11 new RSA-2048 keys) beside openssl's command line making
# the same 11 keys and signatures, the same with ECDSA P-256, `ca renew all` beside the commands that do the same by hand, and
# `certs check-expiration`; on tmpfs and on the disk of $TMPDIR.
# Wall time (best, median), CPU time (user + system, median) and peak memory (largest), each run on a fresh copy.
# The kernel counts a child from its fork on, so that no peak is less than that of the Python that starts it (about 12 MiB).
#
#   scripts/bench.sh [BINARY]      (make bench builds the binary first; RUNS=N for another number of runs)
set -euo pipefail
cd "$(dirname "$0")/.."
BINARY=$(realpath "${1:-target/release/kuberescue}")
export BINARY NODES=$PWD/testdata/nodes RUNS=${RUNS:-15}
export AT=2026-11-24T00:00:00Z

for tool in openssl python3 "$BINARY"; do
  command -v "$tool" >/dev/null || { echo "error: $tool is needed for the benchmark" >&2; exit 1; }
done

exec python3 - <<'PYTHON'
import os, pathlib, resource, shutil, statistics, subprocess, sys, tarfile, tempfile, time

BINARY, NODES, RUNS, AT = os.environ["BINARY"], os.environ["NODES"], int(os.environ["RUNS"]), os.environ["AT"]
PAIRS = [  # name, authority
    ("apiserver", "ca"), ("apiserver-kubelet-client", "ca"), ("front-proxy-client", "front-proxy-ca"),
    ("apiserver-etcd-client", "etcd/ca"), ("etcd/healthcheck-client", "etcd/ca"),
    ("etcd/peer", "etcd/ca"), ("etcd/server", "etcd/ca"),
    # Of the four kubeconfigs openssl makes certificate and key only; putting them in is not counted.
    ("admin", "ca"), ("controller-manager", "ca"), ("scheduler", "ca"), ("super-admin", "ca"),
]

def openssl_script(genkey):
    lines = ["set -e", "cd etc/kubernetes/pki"]
    for name, authority in PAIRS:
        lines += [
            f"openssl {genkey.replace('OUT', f'-out {name}.new.key')} 2>/dev/null",
            f"openssl req -new -key {name}.new.key -subj /CN={os.path.basename(name)} -out {name}.csr",
            f"openssl x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -days 365 -out {name}.new.crt 2>/dev/null",
        ]
    return "\n".join(lines)

def ca_script():
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
    return "\n".join(lines)

def measure(command, tree, places):
    """Runs `command` in fresh copies; wall, CPU and peak memory of the process and its children."""
    walls, cpus, peaks = [], [], []
    for _ in range(RUNS + 1):
        root = tempfile.mkdtemp(prefix="kuberescue-bench-", dir=places)
        try:
            with tarfile.open(f"{NODES}/{tree}.tar.gz") as archive:
                archive.extractall(root)
            words = [word.replace("ROOT", root) for word in command]
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:  # A child of its own, so that its children are its own in the kernel's books.
                try:
                    os.chdir(root)
                    null = open(os.devnull, "r+")
                    started = time.monotonic()
                    code = subprocess.call(words, stdin=null, stdout=null, stderr=null)
                    wall = time.monotonic() - started
                    used = resource.getrusage(resource.RUSAGE_CHILDREN)
                    os.write(writer, f"{code} {wall} {used.ru_utime + used.ru_stime} {used.ru_maxrss}".encode())
                finally:
                    os._exit(0)
            os.close(writer)
            os.waitpid(pid, 0)
            code, wall, cpu, peak = os.read(reader, 1000).decode().split()
            os.close(reader)
            if code != "0":
                sys.exit(f"error: {' '.join(words)} finished with exit code {code}")
        finally:
            shutil.rmtree(root)
        walls.append(float(wall)); cpus.append(float(cpu)); peaks.append(int(peak))
    # The first run warmed the caches.
    return min(walls[1:]), statistics.median(walls[1:]), statistics.median(cpus[1:]), max(peaks[1:]) / 1024

renew = [BINARY, "certs", "renew", "all", "--yes", "--at", AT, "--accept-clock", "--root", "ROOT"]
check = [BINARY, "certs", "check-expiration", "--at", AT, "--root", "ROOT"]
renew_cas = [BINARY, "ca", "renew", "all", "--days", "3653", "--yes", "--at", AT, "--accept-clock", "--root", "ROOT"]
jobs = [
    ("renew all, RSA-2048", "rsa2048", renew, ["sh", "-c", openssl_script("genrsa OUT 2048")]),
    ("renew all, ECDSA P-256", "ecdsa-p256", renew,
     ["sh", "-c", openssl_script("genpkey OUT -algorithm EC -pkeyopt ec_paramgen_curve:P-256")]),
    ("ca renew all, RSA-2048", "rsa2048", renew_cas, ["sh", "-c", ca_script()]),
    ("check-expiration", "rsa2048", check, None),
]
places = [("tmpfs", "/dev/shm")] if os.path.isdir("/dev/shm") else []
places.append(("disk", os.environ.get("TMPDIR", "/tmp")))

model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
print(f"{len(os.sched_getaffinity(0))} cores ({model}), {RUNS} runs each")
print(f"{subprocess.check_output([BINARY, '--version'], text=True).strip()}, {os.path.getsize(BINARY) / 2**20:.1f} MiB; "
      f"{subprocess.check_output(['openssl', 'version'], text=True).split('(')[0].strip()}\n")
row = "{:<24} {:<6} {:<11} {:>9} {:>9} {:>9} {:>9}"
print(row.format("what", "where", "with", "best ms", "median ms", "CPU ms", "peak MiB"))
results = {}
for what, tree, ours, theirs in jobs:
    for place, directory in places:
        for who, command in (("kuberescue", ours), ("openssl", theirs)):
            if command:
                best, median, cpu, peak = results[what, place, who] = measure(command, tree, directory)
                print(row.format(what, place, who, f"{best * 1000:.1f}", f"{median * 1000:.1f}", f"{cpu * 1000:.1f}", f"{peak:.1f}"), flush=True)
print()
for what, _, _, theirs in jobs:
    for place, _ in places:
        if theirs:
            ours, other = results[what, place, "kuberescue"], results[what, place, "openssl"]
            print(f"{what}, {place}: {other[0] / ours[0]:.1f} times as fast as openssl at best, {other[1] / ours[1]:.1f} times in the median, "
                  f"with {ours[2] / other[2]:.2f} of its CPU time")
aims = [
    ("renew all, RSA-2048: best < 365 ms on 2 cores (half of kubeadm 1.36's best of 730 ms)", "renew all, RSA-2048", 0, 0.365),
    ("renew all, ECDSA P-256: best < 10 ms", "renew all, ECDSA P-256", 0, 0.010),
    ("check-expiration: best < 10 ms", "check-expiration", 0, 0.010),
    ("peak memory of renew all, RSA-2048 < 32 MiB", "renew all, RSA-2048", 3, 32),
]
print()
for text, what, column, limit in aims:
    reached = [f"{place} {'reached' if results[what, place, 'kuberescue'][column] < limit else 'MISSED'}" for place, _ in places]
    print(f"{text}: {', '.join(reached)}")
PYTHON
