//! How files are sent: the table `[transfer]`.

use file_transfer::udp::{CongestionChoice, SendOptions};
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
        Self { congestion, segmentation: transfer.segmentation.unwrap_or(default.segmentation) }
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
    }

    #[test]
    fn a_misspelt_choice_is_refused() {
        assert!(toml::from_str::<Transfer>("congestion = 'reno'").is_err());
        assert!(toml::from_str::<Transfer>("congestoin = 'bbr'").is_err());
    }
}
