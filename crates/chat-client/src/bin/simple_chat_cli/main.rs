//! `simple-chat-cli`: Simple Chat on the command line, for people and for scripts.
//!
//! `options.rs` says what can be asked for, one file per command does it over a [`visit::Visit`] to the
//! server, `output.rs` writes text or JSON, `failure.rs` turns failures into exit codes.

use std::process::ExitCode;

use clap::Parser;
use common::wire::Role;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::options::{Command, Options};
use crate::output::Output;
use crate::visit::Visit;

mod options;

mod visit;

mod account;
mod files;
mod get;
mod history;
mod invite;
mod listen;
mod online;
mod order;
mod put;
mod room;
mod search;
mod send;

mod failure;
mod measure_text;
mod output;

fn main() -> ExitCode {
    let options = Options::parse();
    log_to_stderr();
    let mut output = Output::new(options.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(options, &mut output)),
        Err(error) => Err(Failure::Other(format!("The system is out of resources: {error}."))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failed(&failure);
            failure.exit_code()
        }
    }
}

/// What goes wrong behind the scenes; `RUST_LOG` shows more.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Complained of on standard error, a record that cannot be written would end the thread.
    log.with_ansi(false).log_internal_errors(false).init();
}

/// Does what was asked for and leaves the server properly, also when interrupted. A second interrupt
/// does not wait for that.
async fn run(options: Options, output: &mut Output) -> Result<(), Failure> {
    let listens = matches!(options.command, Command::Listen(_));
    let mut visit = Visit::start(listens);
    let outcome = tokio::select! {
        outcome = carry_out(&options, &mut visit, output) => outcome,
        failure = interrupted() => Err(match options.command {
            Command::Get(_) => Failure::InterruptedDownload,
            _ => failure,
        }),
    };
    tokio::select! {
        () = visit.leave() => outcome,
        failure = interrupted() => Err(failure),
    }
}

async fn carry_out(
    options: &Options,
    visit: &mut Visit,
    output: &mut Output,
) -> Result<(), Failure> {
    let role = visit.log_in(options).await?;
    match &options.command {
        Command::Send(send) => send::send(visit, output, send).await,
        Command::Listen(wanted) => listen::listen(visit, output, wanted).await,
        Command::History(wanted) => history::history(visit, output, wanted).await,
        Command::Search(wanted) => search::search(visit, output, wanted).await,
        Command::Online => online::online(visit, output).await,
        Command::Files(files) => files::files(visit, output, files).await,
        Command::Get(get) => get::get(visit, output, get).await,
        Command::Put(put) => put::put(visit, output, put).await,
        Command::Rooms => room::rooms(visit, output).await,
        Command::Room { command } => room::room(visit, output, command).await,
        Command::Register(wanted) => {
            let is_done = options.password_is_new() && role != Role::Guest;
            account::register(visit, output, wanted, is_done).await
        }
        Command::Passwd(wanted) => {
            let old = options.password_file.as_deref();
            account::change_password(visit, output, wanted, old).await
        }
        Command::Devices => account::devices(visit, output).await,
        Command::RemoveDevice(wanted) => account::remove_device(visit, output, wanted).await,
        Command::Invite { command } => invite::invite(visit, output, command).await,
        Command::Order(order) => order::order(visit, output, order).await,
    }
}

/// Ctrl-C, or a polite request to end.
async fn interrupted() -> Failure {
    let streams = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    if let (Ok(mut interrupt), Ok(mut terminate)) = streams {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        return Failure::Interrupted;
    }
    // Without handlers the system ends the program by itself.
    std::future::pending().await
}
