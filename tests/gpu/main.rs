//! Everything that needs an adapter, in one program: drivers dislike instances that come and go.

mod accuracy;
mod bad_input;
mod cases;
mod device;
mod exact;
mod faults;
mod fold;
mod fold_bad_input;
mod fold_cases;
mod guarded;
mod layers;
mod mutants;
mod properties;
mod snapshot;
mod tolerance;
mod variants;
