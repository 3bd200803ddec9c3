//! Tools for who builds and ports Syrinx, not for who speaks with it: how fast ([`bench`]), how well a machine is fit
//! ([`doctor`]), what a recipe costs ([`price`]), what every stage computes ([`trace`], over [`stages`]).

pub mod bench;
pub mod doctor;
pub mod price;
mod stages;
pub mod trace;
