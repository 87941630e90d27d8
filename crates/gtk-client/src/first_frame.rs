//! How long a person waits for the window: from the start of the process, as the kernel knows it, to
//! the first painted frame. For `make bench`.

use std::cell::Cell;
use std::fs;

use adw::prelude::*;

/// Kernel ticks are 10 ms (USER_HZ is 100 on every Linux).
const TICK_MS: u64 = 10;

/// Prints `first frame after N ms` once the window was painted, and closes it.
pub(crate) fn tell_and_close(window: &impl IsA<gtk::Window>) {
    window.as_ref().connect_realize(|window| {
        let Some(clock) = window.frame_clock() else { return };
        let window = window.downgrade();
        let is_told = Cell::new(false);
        clock.connect_after_paint(move |_| {
            if is_told.replace(true) {
                return;
            }
            tell(milliseconds_since_start());
            // Not while it paints.
            let window = window.clone();
            gtk::glib::idle_add_local_once(move || {
                if let Some(window) = window.upgrade() {
                    window.close();
                }
            });
        });
    });
}

#[expect(clippy::print_stdout, reason = "the figure is what the program was started for")]
fn tell(milliseconds: Option<u64>) {
    match milliseconds {
        Some(milliseconds) => println!("first frame after {milliseconds} ms"),
        None => println!("first frame at an unknown time: /proc cannot be read"),
    }
}

fn milliseconds_since_start() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    since_start(&stat, &uptime)
}

/// From `/proc/self/stat` (its 22nd field is the start in ticks since boot) and `/proc/uptime`.
fn since_start(stat: &str, uptime: &str) -> Option<u64> {
    // The name in brackets may hold blanks: fields are counted behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let start_ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    let now_ms = seconds.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10;
    now_ms.checked_sub(start_ticks * TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_a_name_with_blanks() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 2 1 0 0 20 0 1 0 12345 1000 200";
        assert_eq!(since_start(stat, "124.05 200.00\n"), Some(600));
        assert_eq!(since_start("nonsense", "1.00 2.00"), None);
    }
}
