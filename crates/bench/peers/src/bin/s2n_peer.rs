//! One file over QUIC by s2n-quic: one stream, its own order of ciphers (AES-128-GCM first), one thread.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use clap::Parser;
use peers::{Arguments, Congestion, End, Identity, Source, Target, WINDOW_BYTES};
use s2n_quic::client::Connect;
use s2n_quic::connection::Connection;
use s2n_quic::provider::congestion_controller::{Bbr, Cubic};
use s2n_quic::provider::io::tokio as io;
use s2n_quic::provider::limits::Limits;
use s2n_quic::{Client, Server};

/// Pieces taken from a stream at once.
const PIECES_MAX: usize = 64;
/// The IP packet of a 1472-byte datagram.
const MTU: u16 = 1500;
const IO_BUFFER_BYTES: usize = 4 << 20;
const SEND_BUFFER_BYTES: u32 = 16 << 20;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server gets to hear of the end.
const FAREWELL: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    peers::on_one_thread(async {
        match &arguments.end {
            End::Serve { file, listen } => {
                let mut server = server(&arguments, *listen)?;
                peers::announce(server.local_addr()?)?;
                while let Some(connection) = server.accept().await {
                    tokio::spawn(serve(connection, file.clone()));
                }
                Ok(())
            }
            End::Fetch { address, bytes, out } => {
                let mut client = client(&arguments, *address)?;
                let mut target = Target::create(out)?;
                let connect = Connect::new(*address).with_server_name("localhost");
                let mut connection = client.connect(connect).await?;
                fetch(&mut connection, *bytes, &mut target).await?;
                connection.close(0_u32.into());
                let _ = tokio::time::timeout(FAREWELL, client.wait_idle()).await;
                Ok(())
            }
        }
    })
}

async fn serve(mut connection: Connection, file: PathBuf) -> Result<()> {
    let stream = connection.accept_bidirectional_stream().await?;
    let (mut receiving, mut sending) = stream.ok_or(anyhow!("closed before a request"))?.split();
    let mut request = Vec::new();
    while let Some(piece) = receiving.receive().await? {
        request.extend_from_slice(&piece);
    }
    let mut source = Source::open(&file, &request)?;
    while let Some(piece) = source.next_piece()? {
        sending.send(piece).await?;
    }
    sending.close().await?;
    // Until the client has closed the connection.
    connection.accept_bidirectional_stream().await?;
    Ok(())
}

async fn fetch(connection: &mut Connection, bytes: u64, target: &mut Target) -> Result<()> {
    let (mut receiving, mut sending) = connection.open_bidirectional_stream().await?.split();
    sending.send(bytes.to_string().into()).await?;
    sending.finish()?;
    let mut pieces = vec![Bytes::new(); PIECES_MAX];
    loop {
        let (count, is_open) = receiving.receive_vectored(&mut pieces).await?;
        target.write(pieces.get(..count).unwrap_or_default())?;
        pieces.fill(Bytes::new());
        if !is_open {
            return target.finish(bytes);
        }
    }
}

fn server(arguments: &Arguments, listen: SocketAddr) -> Result<Server> {
    let identity = Identity::new(arguments)?;
    let tls = (identity.certificate.as_str(), identity.key.as_str());
    let builder = Server::builder()
        .with_tls(tls)?
        .with_io(sockets(arguments, listen)?)?
        .with_limits(limits()?)?;
    Ok(match arguments.congestion {
        Congestion::Bbr => builder.with_congestion_controller(Bbr::default())?.start()?,
        Congestion::Cubic => builder.with_congestion_controller(Cubic::default())?.start()?,
    })
}

fn client(arguments: &Arguments, server: SocketAddr) -> Result<Client> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let builder = Client::builder()
        .with_tls(arguments.certificate.as_path())?
        .with_io(sockets(arguments, any.parse()?)?)?
        .with_limits(limits()?)?;
    Ok(match arguments.congestion {
        Congestion::Bbr => builder.with_congestion_controller(Bbr::default())?.start()?,
        Congestion::Cubic => builder.with_congestion_controller(Cubic::default())?.start()?,
    })
}

fn sockets(arguments: &Arguments, address: SocketAddr) -> Result<io::Provider> {
    let mut builder = io::Builder::default()
        .with_receive_address(address)?
        .with_max_mtu(MTU)?
        .with_send_buffer_size(IO_BUFFER_BYTES)?
        .with_recv_buffer_size(IO_BUFFER_BYTES)?;
    if arguments.no_gso {
        builder = builder.with_gso_disabled()?;
    }
    Ok(builder.build()?)
}

fn limits() -> Result<Limits> {
    let window = WINDOW_BYTES.into();
    Ok(Limits::new()
        .with_data_window(window)?
        .with_bidirectional_local_data_window(window)?
        .with_bidirectional_remote_data_window(window)?
        .with_max_send_buffer_size(SEND_BUFFER_BYTES)?
        .with_max_idle_timeout(IDLE_TIMEOUT)?)
}
