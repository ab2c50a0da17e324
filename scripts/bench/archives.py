"""Archives beside tar, gzip and sha256sum at the same level of compression, and a directory of a thousand of them."""

import glob, os, random, shutil, subprocess, tempfile

from measure import AT, BINARY, NODES, RUNS, aim, compare, heading, tree

TAR = "tar -cf - etc var/lib/kubelet | gzip -1 > archive.tar.gz && sync archive.tar.gz && sha256sum archive.tar.gz"
READ = "sha256sum ROOT/archive.tar.gz && tar -xOf ROOT/archive.tar.gz"


def full(directory):
    """A node with as many files as an archive holds (20 MiB): half of them text as in manifests, half base64."""
    tree("rsa2048")(directory)
    generator = random.Random(1)
    words = [f"{generator.getrandbits(40):x}: --flag-{number}=/etc/kubernetes/pki/{number}.crt\n" for number in range(500)]
    for number in range(38):
        with open(f"{directory}/etc/kubernetes/more-{number}.yaml", "w") as file:
            if number % 2:
                file.writelines(generator.choice(words) for _ in range(9000))
            else:
                file.writelines(f"{generator.getrandbits(384):096x}\n" for _ in range(5000))


def create(root):
    """Archives the node into its own root. The path of the archive."""
    made = subprocess.run([BINARY, "archive", "create", "--root", root, "--archive-dir", root],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    return made.stdout.strip()


def packed(directory):
    full(directory)
    os.rename(create(directory), f"{directory}/archive.tar.gz")


def thousand(directory, count=1000):
    """Copies of one archive of each tree in testdata/nodes; two thirds have expired certificates."""
    made = tempfile.mkdtemp(prefix="kuberescue-bench-made-")
    os.makedirs(f"{directory}/backups")
    os.makedirs(f"{directory}/empty")
    archives = []
    for path in sorted(glob.glob(f"{NODES}/*.tar.gz")):
        root = os.path.join(made, os.path.basename(path))
        os.mkdir(root)
        tree(os.path.basename(path).removesuffix(".tar.gz"))(root)
        archives.append(create(root))
    for index in range(count):
        shutil.copyfile(archives[index % len(archives)], f"{directory}/backups/{index}.tar.gz")
    shutil.rmtree(made)


def verify(form):
    return [BINARY, "archive", "verify", "ROOT/backups", "--root", "ROOT/empty", "--at", AT, "-o", form]


def run():
    heading("Archives")
    compare("archive create, 20 MiB of files", {
        "kuberescue": [BINARY, "archive", "create", "--root", "ROOT", "--archive-dir", "ROOT"], "tar, gzip -1": ["sh", "-c", TAR]}, full)
    compare("archive verify, 20 MiB of files", {
        "kuberescue": [BINARY, "archive", "verify", "ROOT/archive.tar.gz", "--at", AT, "--root", "ROOT"],
        "tar, sha256sum": ["sh", "-c", READ]}, packed, codes=(0, 1))
    for form in ("table", "json"):
        # Exit 1: not every one is READY.
        result = compare(f"archive verify of 1,000, {form}", {"kuberescue": verify(form)}, thousand, runs=min(RUNS, 3), codes=(1,))
        aim("10 s of CPU and 32 MiB", max(result["kuberescue"].cpus) < 10 and result["kuberescue"].peak < 32)


if __name__ == "__main__":
    run()
