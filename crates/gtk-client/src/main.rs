//! The program `simple-chat`: Simple Chat's window.

use clap::Parser;
use gtk::glib;
use tracing_subscriber::EnvFilter;

/// Talk and share files on your own network
#[derive(Debug, Parser)]
#[command(name = "simple-chat", version)]
struct Arguments {
    /// Invite link, or HOST[:PORT], to start with
    link: Option<String>,
    /// Print how long the first frame took, and end
    #[arg(long, hide = true)]
    time_first_frame: bool,
}

fn main() -> glib::ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Complained of on standard error, a record that cannot be written would end the thread.
    log.log_internal_errors(false).init();
    gtk_client::application::run(arguments.link, arguments.time_first_frame)
}
