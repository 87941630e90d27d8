//! Where the metrics are asked for: HTTP/1.1 (RFC 9112) on a loopback address or a Unix socket, one request a
//! connection, bounded in time, bytes and number.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::MetricsAddress;
use crate::hub::Input;
use crate::local_socket;

/// Connections at once. Further ones are closed unheard.
const CONNECTIONS_MAX: usize = 8;

/// Longest request, header fields included.
const REQUEST_BYTES_MAX: usize = 4096;

/// From the connection to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long accepting pauses when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The media type of the text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A socket that is listened on.
pub(crate) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    /// Opens it. A Unix socket that an earlier run left behind is replaced; anything else in its place is not.
    /// To be called within a runtime.
    ///
    /// # Errors
    /// The system's word.
    pub(crate) fn open(address: &MetricsAddress) -> io::Result<Self> {
        match address {
            MetricsAddress::Loopback(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            MetricsAddress::Socket(path) => {
                // The mode of the socket's file is the operator's to choose.
                Ok(Self::Unix(local_socket::listen(path)?))
            }
        }
    }

    /// Answers until aborted.
    pub(crate) async fn serve(self, hub: mpsc::Sender<Input>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let (stream, hub) = (self.accept().await, hub.clone());
            let Ok(stream) = stream else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if let Some(stream) = stream
                && let Ok(place) = Arc::clone(&places).try_acquire_owned()
            {
                tokio::spawn(async move {
                    // Who is too slow, or goes, is not answered.
                    let _ = tokio::time::timeout(PATIENCE, answer(stream, hub)).await;
                    drop(place);
                });
            }
        }
    }

    /// The next connection; `None` for one of somebody who may not ask.
    async fn accept(&self) -> io::Result<Option<Box<dyn Stream>>> {
        match self {
            Self::Tcp(listener) => Ok(Some(Box::new(listener.accept().await?.0))),
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let may_ask = local_socket::is_of_the_operator(&stream)?;
                Ok(may_ask.then(|| Box::new(stream) as Box<dyn Stream>))
            }
        }
    }
}

/// Both kinds of connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn answer(mut stream: Box<dyn Stream>, hub: mpsc::Sender<Input>) -> io::Result<()> {
    let (status, text) = match request(&mut stream).await? {
        Err(status) => (status, String::new()),
        Ok(()) => {
            let (measured, is_measured) = oneshot::channel();
            let is_asked = hub.send(Input::Measure(measured)).await.is_ok();
            match is_measured.await {
                Ok(measured) if is_asked => ("200 OK", measured.to_text()),
                _ => ("503 Service Unavailable", String::new()),
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {OPEN_METRICS}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads one request; what is wrong with it.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Result<(), &'static str>> {
    let mut head = Vec::with_capacity(REQUEST_BYTES_MAX);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let room = (REQUEST_BYTES_MAX - head.len()) as u64;
        if room == 0 {
            return Ok(Err("431 Request Header Fields Too Large"));
        }
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(judge(&head))
}

fn judge(head: &[u8]) -> Result<(), &'static str> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    match [words.next(), words.next(), words.next(), words.next()] {
        [Some(b"GET"), Some(b"/metrics"), Some(b"HTTP/1.1" | b"HTTP/1.0"), None] => Ok(()),
        [Some(b"GET"), Some(_), Some(b"HTTP/1.1" | b"HTTP/1.0"), None] => Err("404 Not Found"),
        [Some(_), Some(_), Some(b"HTTP/1.1" | b"HTTP/1.0"), None] => Err("405 Method Not Allowed"),
        _ => Err("400 Bad Request"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<(), &str>) {
        let told = judge(format!("{line}\r\nHost: x\r\n\r\n").as_bytes());
        match (told, expected) {
            (Ok(()), Ok(())) => {}
            (Err(told), Err(status)) => assert!(told.starts_with(status), "{line:?}: {told}"),
            (told, _) => panic!("{line:?}: {told:?}"),
        }
    }

    #[test]
    fn one_thing_can_be_had() {
        check("GET /metrics HTTP/1.1", Ok(()));
        check("GET /metrics HTTP/1.0", Ok(()));
        check("GET /../etc/passwd HTTP/1.1", Err("404"));
        check("POST /metrics HTTP/1.1", Err("405"));
        for line in ["", "GET", "GET /metrics", "GET  /metrics HTTP/1.1", "GET /metrics HTTP/2"] {
            check(line, Err("400"));
        }
    }

    #[tokio::test]
    async fn what_is_sent_is_read_no_further_than_a_request_may_go() {
        let endless = "GET /metrics HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(1 << 20);
        let mut input = endless.as_bytes();
        let told = request(&mut input).await.unwrap();
        assert_eq!(told, Err("431 Request Header Fields Too Large"));
        assert_eq!(endless.len() - input.len(), REQUEST_BYTES_MAX);
        assert!(request(&mut &b"GET /metrics HTTP/1.1\r\n"[..]).await.is_err(), "cut short");
    }
}
