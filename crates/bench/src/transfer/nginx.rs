//! nginx and curl of the distribution: what people use where there is no Simple Chat.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::contender::Payload;

/// Where Debian puts it; not on everybody's path.
const NGINX: &str = "/usr/sbin/nginx";
const START_MAX: Duration = Duration::from_secs(10);

/// A server of the payload's folder on a free port: it prints where.
pub(super) fn server(payload: &Payload, folder: &Path, tls: bool) -> Result<Command> {
    ensure!(Path::new(NGINX).exists(), "nginx is missing: scripts/bench-transfer.sh installs it");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    fs::create_dir_all(folder.join("temporary"))?;
    if tls {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(folder.join("certificate.pem"), made.cert.pem())?;
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    }
    let root = payload.path.parent().context("the payload lies in no folder")?;
    let path = folder.join("nginx.conf");
    fs::write(&path, configuration(root, folder, port, tls))?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"echo "$0"; exec "$@""#, &format!("127.0.0.1:{port}"), NGINX, "-c"])
        .arg(path)
        .arg("-p")
        .arg(folder)
        .args(["-e", "stderr"]);
    Ok(command)
}

/// One process, the kernel copies, large TLS records, the cipher that everybody is measured with.
fn configuration(root: &Path, folder: &Path, port: u16, tls: bool) -> String {
    let (root, folder) = (root.display(), folder.display());
    let listen = if tls { format!("{port} ssl") } else { port.to_string() };
    let tls = if tls {
        format!(
            "ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;\n\
             ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n\
             ssl_conf_command Options KTLS; ssl_buffer_size 16k;\n"
        )
    } else {
        String::new()
    };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/temporary;\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; {temporary}\
         server {{ listen 127.0.0.1:{listen}; root {root};\n{tls}}} }}\n"
    )
}

/// Waits until it listens.
pub(super) fn wait(address: &str) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < START_MAX, "nginx does not listen on {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A curl that reports as the other clients do.
pub(super) fn client(address: &str, tls: bool, name: &str, out: &Path) -> Command {
    let scheme = if tls { "https" } else { "http" };
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--fail", "--insecure"])
        .args(["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"])
        .args(["--write-out", FINISHED, "--output"])
        .arg(out)
        .arg(format!("{scheme}://{address}/{name}"));
    command
}

const FINISHED: &str = r#"{"event":"finished","bytes":%{size_download},"seconds":%{time_total}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_on_only_where_it_is_asked_for() {
        let configuration = |tls| configuration(Path::new("/files"), Path::new("/here"), 80, tls);
        assert!(configuration(true).contains("listen 127.0.0.1:80 ssl;"));
        assert!(configuration(true).contains("TLS_AES_128_GCM_SHA256"));
        assert!(!configuration(false).contains("ssl"));
    }
}
