//! What came out, for people and programs: terminal table, JSON, one HTML file.

pub mod html;
pub mod model;
pub mod numbers;
pub mod ratios;
pub mod svg;
pub mod table;

pub use model::Report;
