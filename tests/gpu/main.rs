//! Everything that needs an adapter, in one program: drivers dislike instances that come and go.

mod accuracy;
mod bad_input;
mod cases;
mod check;
mod child;
mod device;
mod endurance;
mod exact;
mod faults;
mod fold;
mod fold_bad_input;
mod fold_cases;
mod fused;
mod guarded;
mod layers;
mod limits;
mod memory;
mod mutants;
mod nist;
mod optimizer;
mod parts;
mod pivots;
mod properties;
mod read;
mod recovery;
mod snapshot;
mod step;
mod tolerance;
#[cfg(all(target_os = "linux", feature = "vulkan"))]
mod validation;
mod variants;
