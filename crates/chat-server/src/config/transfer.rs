//! How files are sent: the table `[transfer]`.

use file_transfer::udp::{CongestionChoice, RateLimits, SendOptions};
use serde::Deserialize;

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
    /// What is wrong with it, as a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let rates = [
            ("bytes_per_second", self.bytes_per_second, RateLimits::TOTAL_MIN),
            ("bytes_per_second_per_user", self.bytes_per_second_per_user, RateLimits::PER_USER_MIN),
        ];
        let too_slow = rates.into_iter().find(|(_, rate, min)| rate.is_some_and(|it| it < *min));
        let (key, found, min) = too_slow?;
        let found = found.unwrap_or_default();
        Some(format!("transfer.{key} is {found}, at least {min}; leave it out for no limit"))
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
        let problem = |toml: &str| toml::from_str::<Transfer>(toml).unwrap().problem();
        assert_eq!(problem("bytes_per_second = 1048576"), None);
        for key in ["bytes_per_second", "bytes_per_second_per_user"] {
            let found = problem(&format!("{key} = 1000")).unwrap();
            assert!(found.contains(&format!("transfer.{key} is 1000")), "{found}");
        }
    }

    #[test]
    fn a_misspelt_choice_is_refused() {
        assert!(toml::from_str::<Transfer>("congestion = 'reno'").is_err());
        assert!(toml::from_str::<Transfer>("congestoin = 'bbr'").is_err());
    }
}
