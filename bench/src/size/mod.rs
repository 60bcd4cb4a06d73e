//! `trawl-bench size`: cores, memory and disk for a site, from a measured profile, with the arithmetic shown.

pub mod profile;

use std::fmt::Write;

use clap::Args;
use serde::Deserialize;

use crate::report::numbers::{octets, significant, thousands};
use profile::Profile;

/// A site. Everything may be given as an option or as a key of a TOML file (`--site`); options win.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Accounts
    #[arg(long)]
    pub accounts: Option<f64>,
    /// Messages in each account
    #[arg(long)]
    pub messages: Option<f64>,
    /// Octets of a message [default: as in the profile]
    #[arg(long)]
    pub message_bytes: Option<f64>,
    /// Devices of each account, each with one connection that is open most of the time [default: 2]
    #[arg(long)]
    pub devices: Option<f64>,
    /// Part of all accounts that is connected at the peak [default: 0.7]
    #[arg(long)]
    pub connected: Option<f64>,
    /// Commands that a connected device sends in an hour of the day's average [default: 60]
    #[arg(long)]
    pub commands_per_hour: Option<f64>,
    /// Messages delivered to an account in a day [default: 40]
    #[arg(long)]
    pub deliveries_per_day: Option<f64>,
    /// Text searches of an account in a day [default: 5]
    #[arg(long)]
    pub searches_per_day: Option<f64>,
    /// How many times the day's average the peak is [default: 4]
    #[arg(long)]
    pub peak_factor: Option<f64>,
    /// Part of the processors that may be busy at the peak; the rest keeps latencies short [default: 0.5]
    #[arg(long)]
    pub utilisation: Option<f64>,
    /// Part of the disk that is to stay free [default: 0.3]
    #[arg(long)]
    pub free: Option<f64>,
}

/// What a site needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needs {
    pub cores: f64,
    pub memory_bytes: f64,
    pub disk_bytes: f64,
}

impl Site {
    /// Options over the keys of a file.
    pub fn over(self, file: Site) -> Site {
        Site {
            accounts: self.accounts.or(file.accounts),
            messages: self.messages.or(file.messages),
            message_bytes: self.message_bytes.or(file.message_bytes),
            devices: self.devices.or(file.devices),
            connected: self.connected.or(file.connected),
            commands_per_hour: self.commands_per_hour.or(file.commands_per_hour),
            deliveries_per_day: self.deliveries_per_day.or(file.deliveries_per_day),
            searches_per_day: self.searches_per_day.or(file.searches_per_day),
            peak_factor: self.peak_factor.or(file.peak_factor),
            utilisation: self.utilisation.or(file.utilisation),
            free: self.free.or(file.free),
        }
    }

    /// The needs, and the lines that show how they come about. The error says what is missing.
    pub fn needs(&self, profile: &Profile) -> Result<(Needs, String), String> {
        let accounts = self.accounts.ok_or("how many accounts are there? (--accounts)")?;
        let messages = self.messages.ok_or("how many messages has an account? (--messages)")?;
        let bytes = self.message_bytes.unwrap_or(profile.message_bytes);
        let devices = self.devices.unwrap_or(2.0);
        let connected = self.connected.unwrap_or(0.7);
        let peak = self.peak_factor.unwrap_or(4.0);
        let utilisation = self.utilisation.unwrap_or(0.5).clamp(0.05, 1.0);
        let free = self.free.unwrap_or(0.3).clamp(0.0, 0.95);
        let n = significant;
        let mut out = String::new();
        let mut line = |text: String| {
            let _ = writeln!(out, "  {text}");
        };
        let whole = |value: f64| thousands(value.round() as i64);

        line("Processors".to_owned());
        let connections = accounts * connected * devices;
        line(format!(
            "  connections     {} accounts x {} connected x {} devices = {}",
            whole(accounts),
            n(connected),
            n(devices),
            whole(connections)
        ));
        let hourly = self.commands_per_hour.unwrap_or(60.0);
        let commands = connections * hourly / 3600.0 * peak;
        line(format!(
            "  commands        {} x {} an hour / 3600 x {} peak = {}/s",
            whole(connections),
            n(hourly),
            n(peak),
            n(commands)
        ));
        let daily = |each: f64| accounts * each / 86_400.0 * peak;
        let (delivered, searched) =
            (self.deliveries_per_day.unwrap_or(40.0), self.searches_per_day.unwrap_or(5.0));
        let (deliveries, searches) = (daily(delivered), daily(searched));
        line(format!(
            "  deliveries      {} x {} a day / 86400 x {} = {}/s",
            whole(accounts),
            n(delivered),
            n(peak),
            n(deliveries)
        ));
        line(format!(
            "  searches        {} x {} a day / 86400 x {} = {}/s",
            whole(accounts),
            n(searched),
            n(peak),
            n(searches)
        ));
        // Measured on a mailbox of another size; the time of a search grows with it, at most in proportion.
        let scale = (messages / profile.messages.max(1.0)).max(0.05);
        let busy = commands * profile.command_ms
            + deliveries * profile.delivery_ms
            + searches * profile.search_ms * scale;
        line(format!(
            "  busy            {} x {} ms + {} x {} ms + {} x {} ms x {} (mailbox size) = {} ms/s",
            n(commands),
            n(profile.command_ms),
            n(deliveries),
            n(profile.delivery_ms),
            n(searches),
            n(profile.search_ms),
            n(scale),
            n(busy)
        ));
        let cores = busy / 1000.0 / utilisation;
        line(format!(
            "  cores           {} ms/s / 1000 / {} utilisation = {}",
            n(busy),
            n(utilisation),
            n(cores)
        ));

        line("Memory".to_owned());
        let idle = connections * profile.connection_bytes;
        line(format!(
            "  connections     {} x {} = {}",
            whole(connections),
            octets(profile.connection_bytes),
            octets(idle)
        ));
        let open = accounts * connected * messages * profile.open_message_bytes;
        line(format!(
            "  open mailboxes  {} accounts x {} messages x {} octets = {}",
            whole(accounts * connected),
            whole(messages),
            n(profile.open_message_bytes),
            octets(open)
        ));
        let memory = profile.base_bytes + idle + open;
        line(format!(
            "  sum             {} (base) + {} + {} = {}",
            octets(profile.base_bytes),
            octets(idle),
            octets(open),
            octets(memory)
        ));
        line("  and what is left for the page cache: the more of the index fits, the better".to_owned());

        line("Disk".to_owned());
        let mail = accounts * messages * bytes;
        line(format!(
            "  mail            {} x {} x {} = {}",
            whole(accounts),
            whole(messages),
            octets(bytes),
            octets(mail)
        ));
        let stored = mail * (profile.store_ratio + profile.index_ratio);
        line(format!(
            "  stored          {} x ({} store + {} index) = {}",
            octets(mail),
            n(profile.store_ratio),
            n(profile.index_ratio),
            octets(stored)
        ));
        let disk = stored / (1.0 - free);
        line(format!("  with room       {} / (1 - {} free) = {}", octets(stored), n(free), octets(disk)));
        Ok((Needs { cores, memory_bytes: memory, disk_bytes: disk }, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic() {
        let profile = Profile {
            messages: 10_000.0,
            message_bytes: 10_000.0,
            command_ms: 0.2,
            delivery_ms: 1.0,
            search_ms: 5.0,
            connection_bytes: 10_000.0,
            open_message_bytes: 50.0,
            base_bytes: 1e8,
            store_ratio: 0.5,
            index_ratio: 0.3,
        };
        let site = Site {
            accounts: Some(1000.0),
            messages: Some(10_000.0),
            devices: Some(3.0),
            connected: Some(0.5),
            commands_per_hour: Some(60.0),
            deliveries_per_day: Some(86.4),
            searches_per_day: Some(8.64),
            peak_factor: Some(2.0),
            ..Site::default()
        };
        let (needs, text) = site.needs(&profile).unwrap();
        // 1500 connections, 50 commands/s, 2 deliveries/s, 0.2 searches/s: 10 + 2 + 1 ms/s at half utilisation.
        assert!((needs.cores - 0.026).abs() < 1e-9, "{}\n{text}", needs.cores);
        assert!((needs.memory_bytes - (1e8 + 1.5e7 + 2.5e8)).abs() < 1.0);
        assert!((needs.disk_bytes - 1e11 * 0.8 / 0.7).abs() < 1.0);
        assert!(text.contains("1,500"), "{text}");
        assert!(Site::default().needs(&profile).is_err());
    }
}
