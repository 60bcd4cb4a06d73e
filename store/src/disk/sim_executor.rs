//! sim_executor
