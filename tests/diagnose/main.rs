//! Findings proven by scenarios: one table says how a node is broken and what `diagnose` must find then, and no more.
//! Every code has a scenario; verdicts, evidence, order and pages are judged on the same scenes.

mod breakages;
mod clock_and_disk;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod evidence;
mod explain;
mod healthy;
mod horizon;
mod hostile;
mod issuing;
mod refused;
mod scene;
mod sources;
mod table;
mod verdicts;
mod views;
