pub mod baseline;
pub mod cases;
pub mod ceiling;
pub mod element;
pub mod layer;
pub mod op;
pub mod table;
pub mod timer;
