"""What grows with the number of archives, of files and with the size of logs, and whether it grows in proportion."""

from measure import AT, BINARY, RUNS, compare, heading, tree

import archives, logs


def files(directory, count):
    """So many certificates and keys that nothing names, below the PKI directory."""
    tree("ecdsa-p256")(directory)
    pki = f"{directory}/etc/kubernetes/pki"
    with open(f"{pki}/apiserver.crt", "rb") as file:
        certificate = file.read()
    for number in range(count):
        with open(f"{pki}/old-{number}.crt", "wb") as file:
            file.write(certificate)


def curve(what, command, prepare, sizes, unit):
    first = None
    for size in sizes:
        result = compare(f"{what}, {size:,}", {"kuberescue": command}, lambda at, size=size: prepare(at, size), runs=min(RUNS, 3), codes=(0, 1))
        each = result["kuberescue"].cpu() / size
        first = first or each
        print(f"    {each * 1e6:.0f} µs of CPU for each {unit}, {each / first:.2f} of the first")


def run():
    heading("What grows")
    curve("archive verify, archives", archives.verify("table"), archives.thousand, (100, 300, 1000, 3000), "archive")
    curve("diagnose, certificates", [BINARY, "diagnose", "--root", "ROOT", "--at", AT], files, (300, 1000, 3000, 9000), "certificate")
    curve("diagnose, MiB of logs", logs.scan(), lambda at, mib: logs.logs(at, mib, 100), (128, 256, 512, 1024, 2048), "MiB")


if __name__ == "__main__":
    run()
