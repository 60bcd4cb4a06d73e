//! `trawl check`.
    Ok(std::process::ExitCode::SUCCESS)
}
