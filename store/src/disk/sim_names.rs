//! sim_names
