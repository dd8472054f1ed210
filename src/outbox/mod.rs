//! What becomes of a message: the states it goes through, what an attempt to send it can end in, when to try again,
//! and what a person may decide about it. Pure: a state, an outcome and a time go in, a state comes out.

pub mod attempt;
pub mod diagnosis;
pub mod intervention;
pub mod rate;
pub mod retry;
pub mod state;
