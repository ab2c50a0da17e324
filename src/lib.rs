//! kuberescue repairs a kubeadm control-plane node whose certificates have expired.
//!
//! A node is a snapshot of its files. All decisions are pure functions from a snapshot to values, and the only thing
//! that can change a node's files is a [`state::ChangeSet`], which only the transaction takes.
//!
//! ```text
//! node | archive ─► Snapshot ─► Facts, ─► [Finding] ─► Plan ─► ChangeSet ─► archive ─► transaction ─► restart ─► verification
//!  disk   disk/      ▲          Inventory  analysis/   analysis/  issue/     disk/      disk/          live/cri,    live/probe,
//!         archive    │          analysis/  node/       node/plan  in memory  archive    transaction    live/kubelet live/api
//!                    │          node       findings    │          │          read back  all or none        │          │
//!                    └───────── Snapshot::with(&ChangeSet) ◄──────┘                                        ▼          ▼
//!                               findings again: predicted by a dry run, and after the change          other workloads, cluster
//!                                                                                                     session/cluster
//! ```
//!
//! Findings are computed by one function ([`analysis::node::findings`]), and every command shows the same ones. The plan
//! takes them, and says which blockers it removes and which remain; that decides the exit code.
//!
//! Layers, each importing only from below: cli → commands → session → report → error → issue, disk, live → analysis →
//! formats → state. Everything from analysis down is pure: no I/O, no clock, no randomness. `docs/design.md` says why.
//!
//! # Glossary
//!
//! | word | meaning |
//! | --- | --- |
//! | Snapshot | the files of a node or an archive: path inside the root → bytes or link target, with attributes |
//! | Facts | what manifests, units and configuration say: paths, addresses, the node's name, each with its source |
//! | Inventory | every certificate, key and kubeconfig of the node, parsed |
//! | Finding | one thing that is wrong: code, severity, subject, evidence, remedy |
//! | blocker | a finding that keeps the control plane, or a part of it, from working |
//! | Code | the stable name of a fault or a refusal; `explain CODE` prints its page |
//! | Plan | what will be done: steps, what is skipped and why, what is restarted, what it repairs |
//! | ChangeSet | the files to write: path, expected old digest, new bytes, attributes |
//! | archive | the verified tar.gz of the old state, made before every change |
//! | journal | the record of a change in progress, from which `resume` and `rollback` work |
//! | parked | a static-pod manifest that is moved away for a restart, and recorded so that it comes back |
//! | host | the running machine (`--root /`); any other root is a disk, and nothing live is touched |
//! | leaf certificate | a certificate that is not a CA's |
//! | CertSpec | a row of the catalog: one leaf certificate that kubeadm issues |

#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::dbg_macro,
    clippy::todo
)]

pub mod analysis;
pub mod cli;
pub mod commands;
pub mod disk;
pub mod error;
pub mod formats;
pub mod issue;
pub mod live;
pub mod report;
pub mod session;
pub mod state;
