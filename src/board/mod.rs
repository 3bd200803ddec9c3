//! The machine under the speech. In: what the system says of itself, a profile, two seconds of measuring. Out: which
//! board this is, how fast a pack will be on it and why, whether memory suffices, how hot it is and what to do about it.
//!
//! [`profile`] holds the boards that are known (`boards/*.toml`, built into the program), [`machine`] recognises one.
//! [`work`] counts what a frame asks for, [`probe`] measures what this machine gives, [`predict`] divides the one by the
//! other. [`budget`] refuses what does not fit before it is loaded. [`thermal`] reads temperatures and the power mode,
//! [`ladder`] turns them into declared steps for the engine. [`system`] asks the operating system for cores, real time
//! and locked memory.

pub mod ladder;
pub mod machine;
pub mod predict;
pub mod probe;
pub mod profile;
pub mod system;
pub mod thermal;

use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use ladder::{Ladder, Limits, Rung};
pub use machine::Machine;
pub use predict::Prediction;
pub use probe::Rates;
pub use profile::Profile;
pub use thermal::{Reading, SysThermal, Thermal};

use crate::error::Result;

/// How an engine keeps its board cool.
#[derive(Clone, Debug)]
pub struct Cooling {
    pub thermal: Arc<Mutex<dyn Thermal>>,
    pub limits: Limits,
    /// How often the sensors are read.
    pub every: Duration,
    /// Cores that the codec may be moved to; none: that rung is left out.
    pub spare_cores: Vec<usize>,
}

impl Cooling {
    /// By the sensors of a board.
    pub fn of(board: &Profile, thermal: impl Thermal + 'static) -> Self {
        Self {
            thermal: Arc::new(Mutex::new(thermal)),
            limits: board.limits(),
            every: Duration::from_secs(1),
            spare_cores: board.spare_cores(),
        }
    }
}

/// The GPU that the backbone and the flow head would use: ggml's name of it. Errors: `Unsupported`.
pub fn gpu() -> Result<Option<String>> {
    Ok(crate::ggml::Device::gpu()?.map(crate::ggml::Device::name))
}
