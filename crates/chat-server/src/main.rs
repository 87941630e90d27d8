//! `chat-server`: parse, build, run, report.

use std::fs::OpenOptions;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chat_server::config::arguments::{
    Arguments, BackupOptions, Command, ExportOptions, InitOptions, Options, RestoreOptions,
};
use chat_server::config::{self, Config, template};
use chat_server::reload::Reload;
use chat_server::server::Server;
use chat_server::sockets::passed::PassedSockets;
use chat_server::{backup, export, log_output, operator};
use clap::Parser;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long threads that wait for the disk are waited for at the end. All that was promised to anybody is
/// on it by then: it is what nobody was told of that may be lost.
const DISK_FAREWELL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Arguments { command, options } = Arguments::parse();
    let result: anyhow::Result<()> = match command.unwrap_or(Command::Run(options)) {
        Command::Run(options) => run(options),
        Command::CheckConfig(options) => return check_config(options),
        Command::Init(options) => init(options),
        Command::Backup(options) => back_up(options),
        Command::Restore(options) => restore(options),
        Command::Export(options) => export(options),
        Command::User(options) => {
            operator::user(options.command, &mut std::io::stdout()).map_err(Into::into)
        }
        Command::Invite(options) => {
            operator::invite(options, &mut std::io::stdout()).map_err(Into::into)
        }
        Command::Order(order) => operator::order(order, &mut std::io::stdout()).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat-server: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// Tells everything that is wrong, a line each.
fn check_config(options: Options) -> ExitCode {
    match config::load(options) {
        Ok(_) => {
            // Whoever does not listen reads the exit code.
            let _ = say("the configuration can be used");
            ExitCode::SUCCESS
        }
        Err(error) => {
            for line in error.lines() {
                eprintln!("chat-server: {}", line.replace('\n', " "));
            }
            ExitCode::FAILURE
        }
    }
}

fn init(options: InitOptions) -> anyhow::Result<()> {
    let path = options.config.unwrap_or(options.file);
    let shown = path.display();
    template::write(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::anyhow!("{shown} is there already and stays as it is"),
        _ => anyhow::anyhow!("{shown}: {error}"),
    })?;
    say(&format!("{shown} is written: chat-server --config {shown}"))
}

fn back_up(options: BackupOptions) -> anyhow::Result<()> {
    let data = config::data_folder(options.of)?;
    let events = backup::back_up(&data, &options.target)?;
    say(&format!("{}: {events} events and the keys", options.target.display()))
}

fn restore(options: RestoreOptions) -> anyhow::Result<()> {
    let data = config::data_folder(options.to)?;
    let events = backup::restore(&options.source, &data)?;
    say(&format!("{}: {events} events and the keys", data.display()))
}

/// Standard output, or a file for its owner alone.
fn export(options: ExportOptions) -> anyhow::Result<()> {
    let data = config::data_folder(options.of)?;
    if options.file.as_os_str() == "-" {
        export::export(&data, &mut std::io::stdout().lock())?;
        return Ok(());
    }
    let (path, mut new) = (options.file, OpenOptions::new());
    let shown = path.display();
    let file = new.write(true).create_new(true).mode(0o600).open(&path);
    let mut out = BufWriter::new(file.with_context(|| shown.to_string())?);
    let exported = export::export(&data, &mut out).map_err(anyhow::Error::from);
    let synced = exported.and_then(|messages| Ok((messages, out.get_ref().sync_all()?)));
    match synced {
        Ok((messages, ())) => say(&format!("{shown}: {messages} messages")),
        Err(error) => {
            // Half of it is no export.
            let _ = std::fs::remove_file(&path);
            Err(error.context(shown.to_string()))
        }
    }
}

fn run(mut options: Options) -> anyhow::Result<()> {
    let passed = PassedSockets::take()?;
    options.passed = passed.as_ref().map(PassedSockets::addresses).unwrap_or_default();
    let config = config::load(options.clone())?;
    log_output::start();
    allow_many_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config, passed, options));
    // What still waits for a disk would otherwise be waited for without end.
    runtime.shutdown_timeout(DISK_FAREWELL);
    result
}

async fn serve(
    config: Config,
    passed: Option<PassedSockets>,
    options: Options,
) -> anyhow::Result<()> {
    // From here on the signal does not end the process.
    let hangups = signal(SignalKind::hangup())?;
    let server = Server::start(config, passed)?;
    let stop = stop_on_signal()?;
    let (reload, reloads) = mpsc::channel(1);
    tokio::spawn(reload_on_signal(hangups, options, reload));
    say(&server.link().to_string())?;
    if let Some(password) = server.new_password() {
        // Once. It is no part of the log, which says where the password is kept.
        let _ = writeln!(
            std::io::stderr(),
            "The join password is {password}: whoever comes in needs it, besides the link."
        );
    }
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    tracing::info!(link = %server.link(), "serving");
    let tally = server.run(stop, reloads).await;
    tracing::info!(?tally, "ended");
    Ok(())
}

/// SIGHUP has the configuration read again: all of it counts, or nothing.
async fn reload_on_signal(mut hangups: Signal, options: Options, reload: mpsc::Sender<Reload>) {
    while hangups.recv().await.is_some() {
        let now = NotifyState::monotonic_usec_now();
        let _ =
            sd_notify::notify(false, &[&[NotifyState::Reloading], now.ok().as_slice()].concat());
        let options = options.clone();
        match tokio::task::spawn_blocking(|| config::load(options)).await {
            Ok(Ok(config)) => {
                let (done, is_done) = oneshot::channel();
                let is_sent = reload.send(Reload { config, done }).await.is_ok();
                if let (true, Ok(waiting)) = (is_sent, is_done.await) {
                    tracing::info!(waits_for_a_restart = ?waiting, "the configuration was read again");
                }
            }
            Ok(Err(error)) => {
                for problem in error.lines() {
                    tracing::error!(problem, "the configuration stays as it was");
                }
            }
            Err(error) => tracing::error!(%error, "the configuration stays as it was"),
        }
        let _ = sd_notify::notify(false, &[NotifyState::Ready]);
    }
}

/// SIGTERM or SIGINT end the server.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
        stopping.cancel();
    });
    Ok(stop)
}

/// The one line on standard output, seen at once by whoever waits for it.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Each client is a descriptor; the usual soft limit of 1,024 is far below what the machine can.
fn allow_many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
