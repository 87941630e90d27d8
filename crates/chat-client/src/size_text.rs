//! Amounts of bytes as a person reads them, the same in the window, on the command line and in sentences.

/// Of 1000 each, as disks and other programs of the desktop count.
const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// `1 byte`, `27 bytes`, `1.5 kB`, `53.7 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    match count {
        1 => return "1 byte".to_owned(),
        0..1000 => return format!("{count} bytes"),
        1000.. => {}
    }
    let mut value = count as f64 / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // What would be rounded to 1000.0 is 1.0 of the next.
    while value >= 999.95 {
        value /= 1000.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&"EB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        let table = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1536, "1.5 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (53_687_091_200, "53.7 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (count, text) in table {
            assert_eq!(bytes(count), text);
        }
    }
}
