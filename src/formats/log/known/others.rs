//! Lines about problems other than certificates, and about consequences.

use super::Nature::{Clock, Disk, EtcdData, FollowUp, Image, Memory, Setup};
use super::{KnownLine, line};
use crate::state::Code;

const ETCD: Option<&str> = Some("etcd");
const KERNEL: Option<&str> = Some("kernel");

/// Problems other than certificates, and consequences of any problem.
pub(super) static LINES: &[KnownLine] = &[
    // etcd's data.
    line(Code::EtcdDatabaseSnapshotMissing, ETCD, EtcdData, &[&["failed to find database snapshot file"]]),
    line(Code::EtcdNoSnapshot, ETCD, EtcdData, &[&["snap: snapshot file doesn't exist"]]),
    line(
        Code::EtcdWalDamaged,
        ETCD,
        EtcdData,
        &[
            &["wal: crc mismatch"],
            &["walpb: crc mismatch"],
            &["wal: max entry size limit exceeded"],
            &["wal: file not found"],
        ],
    ),
    line(
        Code::EtcdDatabaseDamaged,
        ETCD,
        EtcdData,
        &[&["failed to open database"], &["invalid database"], &["tocommit(", "is out of range"]],
    ),
    line(Code::EtcdSpaceExceeded, ETCD, EtcdData, &[&["database space exceeded"]]),
    line(
        Code::EtcdOtherCluster,
        ETCD,
        EtcdData,
        &[
            &["cluster ID mismatch"],
            &["request sent was ignored (cluster ID"],
            &["permanently removed from the cluster"],
        ],
    ),
    // The machine.
    line(
        Code::DiskFull,
        None,
        Disk,
        &[&["no space left on device"], &["No space left on device"], &["disk quota exceeded"]],
    ),
    line(
        Code::DiskReadOnly,
        None,
        Disk,
        &[&["read-only file system"], &["Remounting filesystem read-only"], &["Read-only file system"]],
    ),
    line(
        Code::DiskError,
        None,
        Disk,
        &[&["input/output error"], &["Buffer I/O error"], &["EXT4-fs error"], &["Input/output error"]],
    ),
    line(
        Code::OutOfMemory,
        KERNEL,
        Memory,
        &[&["Out of memory: Kill"], &["Memory cgroup out of memory"], &["oom-kill:constraint"]],
    ),
    line(
        Code::ClockStepped,
        None,
        Clock,
        &[
            &["System clock was stepped by"],
            &["System clock wrong by"],
            &["Time has been changed"],
            &["Time jumped backwards"],
        ],
    ),
    line(
        Code::ClockDiffers,
        ETCD,
        Clock,
        &[&["prober found high clock drift"], &["the clock difference against peer", "is too high"]],
    ),
    line(Code::ImageMissing, None, Image, &[&["ailed to pull image"], &["ailed to pull and unpack image"]]),
    line(Code::PortInUse, None, Setup, &[&["bind: address already in use"]]),
    line(
        Code::CredentialFileMissing,
        None,
        Setup,
        &[
            &["open /etc/kubernetes/", "no such file or directory"],
            &["stat /etc/kubernetes/", "no such file or directory"],
        ],
    ),
    // Consequences of any of these.
    line(Code::LeaderLost, None, FollowUp, &[&["leaderelection lost"], &["lost lease", "leaderelection"]]),
    line(Code::EtcdNoLeader, None, FollowUp, &[&["etcdserver: no leader"]]),
    line(Code::HandshakeTimeout, None, FollowUp, &[&["net/http: TLS handshake timeout"]]),
    line(Code::ConnectionRefused, None, FollowUp, &[&["connect: connection refused"]]),
];
