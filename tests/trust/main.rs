//! The trust graph: what it says of the trees of testdata/nodes, and that nothing on a disk can break its forms.

#[path = "../common/mod.rs"]
mod common;
mod drawn;
mod hostile;
mod node;
mod trees;
