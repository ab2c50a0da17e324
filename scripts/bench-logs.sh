#!/usr/bin/env bash
# How fast logs are scanned: 1 GiB of control-plane logs in files of 10 MiB, made the same on every run, once with few
# known lines (1 of 1000) and once with many (1 of 2). Wall time, CPU time and peak memory of the scan, and MiB for each
# second of CPU time, beside `grep -c` with one of the texts and, on the same logs packed, `zgrep -c`. Best of RUNS.
#
#   scripts/bench-logs.sh [EXAMPLE]     target/release/examples/bench_logs (cargo build --release --example bench_logs)
#   MIB=256 RUNS=3 scripts/bench-logs.sh
set -euo pipefail
cd "$(dirname "$0")/.."
EXAMPLE=$(realpath "${1:-target/release/examples/bench_logs}")
export EXAMPLE MIB=${MIB:-1024} RUNS=${RUNS:-5}

for tool in grep zgrep gzip python3 "$EXAMPLE"; do
  command -v "$tool" >/dev/null || { echo "error: $tool is needed for the benchmark" >&2; exit 1; }
done

exec python3 - <<'PYTHON'
import glob, os, resource, shutil, subprocess, sys, tempfile, time

EXAMPLE, MIB, RUNS = os.environ["EXAMPLE"], int(os.environ["MIB"]), int(os.environ["RUNS"])
TEXT = "certificate has expired or is not yet valid"

def measure(command):
    """Best wall and CPU time, largest peak memory; the first run warms the page cache and doesn't count."""
    walls, cpus, peaks, out = [], [], [], ""
    for _ in range(RUNS + 1):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                started = time.monotonic()
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                wall = time.monotonic() - started
                used = resource.getrusage(resource.RUSAGE_CHILDREN)
                os.write(writer, f"{wall} {used.ru_utime + used.ru_stime} {used.ru_maxrss}\n".encode() + done.stdout[:4000])
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            numbers, out = pipe.read().decode().split("\n", 1)
        os.waitpid(pid, 0)
        wall, cpu, peak = map(float, numbers.split())
        walls.append(wall); cpus.append(cpu); peaks.append(peak / 1024)
    return min(walls[1:]), min(cpus[1:]), max(peaks[1:]), out

print(f"{len(os.sched_getaffinity(0))} cores, {MIB} MiB of logs, best of {RUNS} runs, page cache warm\n")
row = "{:<22} {:<18} {:>8} {:>8} {:>14} {:>9}"
print(row.format("logs", "with", "wall s", "CPU s", "MiB / CPU s", "peak MiB"))
directory = tempfile.mkdtemp(prefix="kuberescue-bench-logs-")
slow = False
try:
    for name, dense in (("1 known in 1000", 1), ("1 known in 2", 500)):
        root = os.path.join(directory, str(dense))
        subprocess.run([EXAMPLE, "make", root, str(MIB), str(dense)], check=True)
        ratios = {}
        for packed in (False, True):
            if packed:
                subprocess.run(["find", root, "-name", "*.log", "-exec", "gzip", "-1", "{}", "+"], check=True)
                for path in glob.glob(f"{root}/var/log/pods/*/*/*.log.gz"):
                    os.rename(path, path[:-3] + ".20261123-222147.gz")
            files = sorted(glob.glob(f"{root}/var/log/pods/*/*/*"))
            grep = "zgrep" if packed else "grep"
            jobs = [("kuberescue", [EXAMPLE, "scan", root]), (f"{grep} -cF", ["env", "LC_ALL=C", grep, "-cF", TEXT, *files])]
            for who, command in jobs:
                wall, cpu, peak, out = measure(command)
                ratios[who, "gzip" if packed else "plain"] = (wall, cpu)
                print(row.format(name + (", gzip" if packed else ""), who, f"{wall:.3f}", f"{cpu:.3f}", f"{MIB / cpu:.0f}", f"{peak:.1f}"), flush=True)
                if who == "kuberescue" and not packed:
                    slow = slow or MIB / cpu < 300
        for grep, what in (("grep -cF", "plain"), ("zgrep -cF", "gzip")):
            ours, other = ratios["kuberescue", what], ratios[grep, what]
            print(f"  {what}: {other[0] / ours[0]:.1f} times as fast as {grep}, with {ours[1] / other[1]:.2f} of its CPU time")
        print()
        shutil.rmtree(root)
finally:
    shutil.rmtree(directory, ignore_errors=True)
print(f"aim: 300 MiB for each second of CPU time, not packed: {'MISSED' if slow else 'reached'}")
PYTHON
