"""Commands as whole processes: wall time, CPU time (user and system, with children) and peak memory, compared in turn."""

import os, shutil, statistics, sys, tarfile, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NODES = os.path.join(ROOT, "testdata", "nodes")
BINARY = os.environ["BINARY"]
RUNS = int(os.environ.get("RUNS", "15"))
AT = "2026-11-24T00:00:00Z"
ROW = "{:<34} {:<6} {:<11} {:>24} {:>9} {:>9}"


class Measured:
    def __init__(self):
        self.walls, self.cpus, self.peak, self.out = [], [], 0, ""

    def wall(self):
        return statistics.median(self.walls)

    def cpu(self):
        return statistics.median(self.cpus)


def once(command, codes, directory):
    """From its start by posix_spawn, which copies nothing of this Python, to its end; what it used with its children, as the
    kernel counts. Its peak is no less than that of this Python (about 14 MiB)."""
    out = os.memfd_create("out")
    onto = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    here = os.getcwd()
    os.chdir(directory)
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=onto)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - started
    os.chdir(here)
    os.lseek(out, 0, os.SEEK_SET)
    with os.fdopen(out, errors="replace") as file:
        text = file.read()[-2000:]
    code = os.waitstatus_to_exitcode(status)
    if code not in codes:
        sys.exit(f"error: {' '.join(command)} finished with exit code {code}\n{text}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text


def compare(what, commands, prepare, place=("disk", None), runs=RUNS, codes=(0,)):
    """Each of `commands` (name to words, ROOT for the directory) in turn, `runs` times and once to warm the caches, each time
    in what `prepare(directory)` makes of an empty directory of `place`. Prints a row each and what the first saves."""
    results = {name: Measured() for name in commands}
    for turn in range(runs + 1):
        for name, words in commands.items():
            directory = tempfile.mkdtemp(prefix="kuberescue-bench-", dir=place[1])
            try:
                prepare(directory)
                measured = once([word.replace("ROOT", directory) for word in words], codes, directory)
            finally:
                shutil.rmtree(directory)
            if turn:
                result = results[name]
                result.walls.append(measured[0])
                result.cpus.append(measured[1])
                result.peak, result.out = max(result.peak, measured[2]), measured[3]
    for name, result in results.items():
        walls = " / ".join(f"{wall * 1000:.1f}" for wall in (min(result.walls), result.wall(), max(result.walls)))
        print(ROW.format(what, place[0], name, walls, f"{result.cpu() * 1000:.1f}", f"{result.peak:.1f}"), flush=True)
    ours, *others = results.items()
    for name, other in others:
        turns = sorted(theirs / mine for mine, theirs in zip(ours[1].walls, other.walls))
        print(f"    {other.wall() / ours[1].wall():.2f} times as fast as {name} in the median ({turns[0]:.2f} to {turns[-1]:.2f}), "
              f"with {ours[1].cpu() / other.cpu():.2f} of its CPU time", flush=True)
    return results


def heading(title):
    print(f"\n{title}\n")
    print(ROW.format("what", "where", "with", "ms: best / median / worst", "CPU ms", "peak MiB"))


def tree(name):
    """Unpacks a tree of testdata/nodes."""
    def prepare(directory):
        with tarfile.open(f"{NODES}/{name}.tar.gz") as archive:
            archive.extractall(directory)
    return prepare


def places():
    here = [("tmpfs", "/dev/shm")] if os.path.isdir("/dev/shm") else []
    return here + [("disk", os.environ.get("TMPDIR", "/tmp"))]


def aim(text, reached):
    print(f"aim: {text}: {'reached' if reached else 'MISSED'}", flush=True)
