//! Everything that needs an adapter, in one program: drivers dislike instances that come and go.

mod accuracy;
mod bad_input;
mod cases;
mod child;
mod device;
mod endurance;
mod faults;
mod guarded;
mod layers;
mod limits;
mod memory;
mod nist;
mod properties;
mod recovery;
mod step;
mod tolerance;
#[cfg(all(target_os = "linux", feature = "vulkan"))]
mod validation;
mod variants;
