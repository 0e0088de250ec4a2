pub mod cases;
pub mod ceiling;
pub mod timer;
