//! Lines that say that it is no matter of certificates, and those that follow from anything.

use super::Nature::{Clock, Disk, EtcdData, FollowUp, Image, Memory, Setup};
use super::{KnownLine, line};

const ETCD: Option<&str> = Some("etcd");
const KERNEL: Option<&str> = Some("kernel");

/// What is no matter of certificates, and what follows from anything.
pub(super) static LINES: &[KnownLine] = &[
    // etcd's data.
    line(
        "etcd-database-snapshot-missing",
        ETCD,
        EtcdData,
        &[&["failed to find database snapshot file"]],
        "etcd doesn't start: its database is older than its log, as after a power cut",
    ),
    line(
        "etcd-snapshot-missing",
        ETCD,
        EtcdData,
        &[&["snap: snapshot file doesn't exist"]],
        "etcd lacks a snapshot of its data, as after a power cut",
    ),
    line(
        "etcd-wal-damaged",
        ETCD,
        EtcdData,
        &[
            &["wal: crc mismatch"],
            &["walpb: crc mismatch"],
            &["wal: max entry size limit exceeded"],
            &["wal: file not found"],
        ],
        "etcd's write-ahead log is damaged",
    ),
    line(
        "etcd-database-damaged",
        ETCD,
        EtcdData,
        &[&["failed to open database"], &["invalid database"], &["tocommit(", "is out of range"]],
        "etcd's database is damaged, or has lost what it had confirmed",
    ),
    line(
        "etcd-space-exceeded",
        ETCD,
        EtcdData,
        &[&["database space exceeded"]],
        "etcd's database has reached its quota, and takes no writes until it is compacted and disarmed",
    ),
    line(
        "etcd-other-cluster",
        ETCD,
        EtcdData,
        &[
            &["cluster ID mismatch"],
            &["request sent was ignored (cluster ID"],
            &["permanently removed from the cluster"],
        ],
        "etcd's data is of another cluster, or its member was removed from this one",
    ),
    // The machine.
    line(
        "disk-full",
        None,
        Disk,
        &[&["no space left on device"], &["No space left on device"], &["disk quota exceeded"]],
        "the disk was full",
    ),
    line(
        "disk-read-only",
        None,
        Disk,
        &[&["read-only file system"], &["Remounting filesystem read-only"], &["Read-only file system"]],
        "a file system was read-only, as after an error of the disk",
    ),
    line(
        "disk-error",
        None,
        Disk,
        &[&["input/output error"], &["Buffer I/O error"], &["EXT4-fs error"], &["Input/output error"]],
        "the disk reported an error",
    ),
    line(
        "out-of-memory",
        KERNEL,
        Memory,
        &[&["Out of memory: Kill"], &["Memory cgroup out of memory"], &["oom-kill:constraint"]],
        "the kernel ended a process because memory was used up",
    ),
    line(
        "clock-stepped",
        None,
        Clock,
        &[
            &["System clock was stepped by"],
            &["System clock wrong by"],
            &["Time has been changed"],
            &["Time jumped backwards"],
        ],
        "the clock was set",
    ),
    line(
        "clock-differs",
        ETCD,
        Clock,
        &[&["prober found high clock drift"], &["the clock difference against peer", "is too high"]],
        "the clocks of two etcd members differ by more than a second",
    ),
    line(
        "image-missing",
        None,
        Image,
        &[&["ailed to pull image"], &["ailed to pull and unpack image"]],
        "an image can't be pulled",
    ),
    line(
        "port-in-use",
        None,
        Setup,
        &[&["bind: address already in use"]],
        "a port is taken by another process",
    ),
    line(
        "credential-file-missing",
        None,
        Setup,
        &[
            &["open /etc/kubernetes/", "no such file or directory"],
            &["stat /etc/kubernetes/", "no such file or directory"],
        ],
        "a file that a component is told to use is missing",
    ),
    // What follows from any of these.
    line(
        "leader-lost",
        None,
        FollowUp,
        &[&["leaderelection lost"], &["lost lease", "leaderelection"]],
        "controller manager or scheduler lost the leader election and ended",
    ),
    line(
        "etcd-no-leader",
        None,
        FollowUp,
        &[&["etcdserver: no leader"]],
        "etcd had no leader: too few members were up",
    ),
    line(
        "handshake-timeout",
        None,
        FollowUp,
        &[&["net/http: TLS handshake timeout"]],
        "a server was too busy or too broken to answer",
    ),
    line(
        "connection-refused",
        None,
        FollowUp,
        &[&["connect: connection refused"]],
        "nobody listened at an address; it follows from whatever is down",
    ),
];
