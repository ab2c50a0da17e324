//! The running node: its containers, its kubelet, what is served on its ports. Effects on processes, none
//! on files. Foreign text (names, messages, log lines) is returned raw; the report room sanitises it.

mod clock;
pub mod cri;
pub mod restart;
