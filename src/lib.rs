//! kuberescue revives a kubeadm control-plane node whose certificates have expired.
//!
//! ```text
//! node | archive ─► Snapshot ─► Inventory ─► [Finding] ─► Plan ─► ChangeSet ─► archive ─► transaction
//!                       ▲         (parse)     (diagnose)  (decide)  (sign, in    (backup,   (journal,
//!                       │                                            memory)      verified)  rename)
//!                       └────────────── Snapshot::with(&ChangeSet) ◄──┘
//! ```
//!
//! Layers, each importing only from below: cli → commands → session → report → issue, disk, live → analysis →
//! formats → state. Everything from analysis down is pure: no I/O, no clock, no randomness. The only thing that
//! can change a node's files is a [`state::ChangeSet`], and only the transaction takes one.

#![forbid(unsafe_code)]

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
