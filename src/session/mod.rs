//! What the commands do alike: reading a node ([`source`]), changing one ([`change`]), understanding what an
//! operator types ([`arguments`]). The only place where the rooms of effects meet.

pub mod arguments;
pub mod change;
pub mod source;

use jiff::Timestamp;

use crate::report::Output;

/// What a run knows of the world.
pub struct Context<'a> {
    /// The clock, read once.
    pub now: Timestamp,
    /// The command line, for records.
    pub command_line: String,
    /// Where to print.
    pub out: &'a mut Output,
}
