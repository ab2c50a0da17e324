//! Pages: The clock, the disk and the container runtime.

use super::Class::{Clock, Disk, Refusal};
use super::{Code, Page, page};

pub(super) const PAGES: &[Page] = &[
    page(
        Code::ClockBehind,
        Clock,
        "the clock is earlier than what the disk has seen",
        "Valid certificates look not yet valid, and expired ones may look valid. Certificates issued now could get wrong dates.",
        "The machine's clock was reset (a dead battery, a virtual machine resumed from an old state, local time taken for UTC), or a file on the disk carries a date from the future.",
        "Set the clock: date -u -s '2027-03-01 12:00:00', or chronyc makestep. Then look again. If the clock is right and the file's date is wrong: kuberescue recover --accept-clock.",
    ),
    page(
        Code::DiskFull,
        Disk,
        "a file system of the node is full",
        "etcd stops taking writes, the kubelet evicts pods and cannot renew its certificate, and files that are written now end up empty or truncated.",
        "Logs, images or old etcd snapshots have filled it, or so many small files that no inode is left.",
        "Make room: journalctl --vacuum-size=200M, and see what fills it (df -h FILE; df -i FILE; du -xh -d2 /var). kuberescue needs a few MiB for its archive and refuses to start without them.",
    ),
    page(
        Code::HostPathMissing,
        Refusal,
        "a file or directory that a static pod mounts is not there",
        "Nothing was stopped: the kubelet does not start a pod whose hostPath has the type File, Directory, Socket or a device and is not there. What runs goes on with what it has mounted.",
        "It was removed or moved after the pod had started, or the disk that holds it is not mounted.",
        "Put it back (mount -a; an archive that has it: kuberescue archive list), or change the volume in the pod's manifest. Then run the command again.",
    ),
    page(
        Code::NoSpace,
        Refusal,
        "not enough free space for the archive and the new files",
        "Nothing was changed: without an archive of the old state no file is replaced.",
        "The file system is full, or has no free inodes.",
        "Make room (df -h, df -i), or write the archive elsewhere with --archive-dir DIR.",
    ),
    page(
        Code::NotReadToEnd,
        Disk,
        "a directory that was not read to its end",
        "What manifests, kubeconfigs and the kubelet refer to was read all the same, and so was what kubeadm keeps. Other files of this directory are neither judged nor archived.",
        "The directory holds more files than are read of a node, such as audit logs or years of old certificates.",
        "See what fills it: find FILE -type f | wc -l, du -sh FILE. What no component reads belongs elsewhere.",
    ),
    page(
        Code::NoRuntime,
        Refusal,
        "cannot connect to the container runtime",
        "Static pods cannot be restarted through the CRI socket.",
        "The container runtime is not running, or its socket is elsewhere.",
        "Start it (systemctl start containerd), name its socket with --cri-socket, or restart without it: --restart=manifest.",
    ),
];
