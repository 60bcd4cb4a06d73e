//! sim_file
