//! The real program, spawned on a free port, spoken to in raw bytes over TLS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

mod talking;

mod storage;

mod kills;

mod names;

mod access;

mod accounts;

mod invites;

mod order;

mod rooms;

mod presence;

mod frames;

mod oddities;

mod strangers;

mod crowds;

mod files;

mod uploads;

mod operation;

mod configuration;

mod backups;

mod reloading;

mod metrics;

mod kept_data;

mod watchdog;

mod stalled_disk;

mod passwords;

mod retention;

mod passed_sockets;
