//! How files are sent: the table `[transfer]`.

use file_transfer::udp::{CongestionChoice, RateLimits, SendOptions};
use serde::Deserialize;

use crate::config::file::Complaint;
use crate::config::limits::Limits;

/// The table `[transfer]`. What is missing is as the transfer engine has it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Transfer {
    /// `congestion = "bbr"` or `"cubic"`: what decides how much may be in flight.
    congestion: Option<Congestion>,
    /// `segmentation = false`: one datagram a system call, for network drivers that spoil what they
    /// segment.
    segmentation: Option<bool>,
    /// `bytes_per_second = 10_000_000`: file bytes of all downloads together, shared evenly between the
    /// users who download. Without it: as fast as it goes.
    bytes_per_second: Option<u64>,
    /// The same of all downloads of one user together.
    bytes_per_second_per_user: Option<u64>,
}

impl Transfer {
    /// What is wrong with it beside these limits.
    pub(crate) fn complaints(&self, limits: &Limits) -> Vec<Complaint> {
        let min_of = |places: usize| RateLimits::PER_PLACE_MIN.saturating_mul(places as u64);
        let total_min = min_of(limits.downloads).max(RateLimits::TOTAL_MIN);
        let per_user_min = min_of(limits.downloads_per_user).max(RateLimits::PER_USER_MIN);
        let rates = [
            ("bytes_per_second", self.bytes_per_second, total_min, "downloads"),
            (
                "bytes_per_second_per_user",
                self.bytes_per_second_per_user,
                per_user_min,
                "downloads_per_user",
            ),
        ];
        let too_slow = |(key, rate, min, places): (&str, Option<u64>, u64, &str)| {
            let found = rate.filter(|rate| *rate < min)?;
            let key = format!("transfer.{key}");
            let sentence = format!(
                "{key} is {found}, at least {min} with this limits.{places}; leave it out for no limit"
            );
            Some(Complaint { key, sentence })
        };
        rates.into_iter().filter_map(too_slow).collect()
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Congestion {
    Bbr,
    Cubic,
}

impl From<Transfer> for SendOptions {
    fn from(transfer: Transfer) -> Self {
        let default = Self::default();
        let congestion = match transfer.congestion {
            Some(Congestion::Bbr) => CongestionChoice::Bbr,
            Some(Congestion::Cubic) => CongestionChoice::Cubic,
            None => default.congestion,
        };
        let segmentation = transfer.segmentation.unwrap_or(default.segmentation);
        let rates = RateLimits {
            total: transfer.bytes_per_second,
            per_user: transfer.bytes_per_second_per_user,
        };
        Self { congestion, segmentation, rates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, expected: SendOptions) {
        assert_eq!(SendOptions::from(toml::from_str::<Transfer>(toml).unwrap()), expected);
    }

    #[test]
    fn what_is_not_said_is_as_the_engine_has_it() {
        check("", SendOptions::default());
    }

    #[test]
    fn each_key_is_heard() {
        let default = SendOptions::default();
        for (name, congestion) in
            [("bbr", CongestionChoice::Bbr), ("cubic", CongestionChoice::Cubic)]
        {
            check(&format!("congestion = '{name}'"), SendOptions { congestion, ..default });
        }
        check("segmentation = false", SendOptions { segmentation: false, ..default });
        let rates = RateLimits { total: Some(10_000_000), per_user: Some(2_000_000) };
        let both = "bytes_per_second = 10_000_000\nbytes_per_second_per_user = 2_000_000";
        check(both, SendOptions { rates, ..default });
    }

    #[test]
    fn a_rate_at_which_nothing_arrives_is_refused() {
        let problem = |toml: &str, limits: &Limits| {
            let mut complaints = toml::from_str::<Transfer>(toml).unwrap().complaints(limits);
            assert!(complaints.len() < 2, "{complaints:?}");
            complaints.pop().map(|complaint| complaint.sentence)
        };
        let usual = Limits::default();
        assert_eq!(problem("bytes_per_second = 1048576", &usual), None);
        for key in ["bytes_per_second", "bytes_per_second_per_user"] {
            let found = problem(&format!("{key} = 1000"), &usual).unwrap();
            assert!(found.contains(&format!("transfer.{key} is 1000")), "{found}");
        }
        let many = Limits { downloads: 128, downloads_per_user: 8, ..usual };
        for (key, least) in
            [("bytes_per_second", 2 << 20), ("bytes_per_second_per_user", 128 << 10)]
        {
            assert_eq!(problem(&format!("{key} = {least}"), &many), None);
            let found = problem(&format!("{key} = {}", least - 1), &many).unwrap();
            assert!(
                found.contains(&format!("at least {least} with this limits.downloads")),
                "{found}"
            );
        }
    }

    #[test]
    fn a_misspelt_choice_is_refused() {
        assert!(toml::from_str::<Transfer>("congestion = 'reno'").is_err());
        assert!(toml::from_str::<Transfer>("congestoin = 'bbr'").is_err());
    }
}
