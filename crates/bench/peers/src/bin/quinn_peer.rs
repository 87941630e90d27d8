//! One file over QUIC by quinn: one stream, AES-128-GCM, 1452-byte datagrams, one thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use peers::{
    Arguments, Congestion, End, Identity, REQUEST_BYTES_MAX, Source, Target, WINDOW_BYTES,
};
use quinn::congestion::{BbrConfig, CubicConfig};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::version::TLS13;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Pieces taken from a stream at once.
const PIECES_MAX: usize = 64;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server gets to hear of the end.
const FAREWELL: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    peers::on_one_thread(async {
        match &arguments.end {
            End::Serve { file, listen } => {
                let socket = peers::socket(*listen)?;
                let config = server_config(&arguments)?;
                let endpoint = endpoint(socket, Some(config))?;
                peers::announce(endpoint.local_addr()?)?;
                while let Some(incoming) = endpoint.accept().await {
                    tokio::spawn(serve(incoming, file.clone()));
                }
                Ok(())
            }
            End::Fetch { address, bytes, out } => {
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let endpoint = endpoint(peers::socket(any.parse()?)?, None)?;
                let config = client_config(&arguments)?;
                let mut target = Target::create(out)?;
                let connection = endpoint.connect_with(config, *address, "localhost")?.await?;
                fetch(&connection, *bytes, &mut target).await?;
                connection.close(0_u32.into(), b"");
                let _ = tokio::time::timeout(FAREWELL, endpoint.wait_idle()).await;
                Ok(())
            }
        }
    })
}

fn endpoint(socket: std::net::UdpSocket, server: Option<ServerConfig>) -> Result<Endpoint> {
    Ok(Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))?)
}

async fn serve(incoming: quinn::Incoming, file: PathBuf) -> Result<()> {
    let connection = incoming.await?;
    let (mut sending, mut receiving) = connection.accept_bi().await?;
    let request = receiving.read_to_end(REQUEST_BYTES_MAX).await?;
    let mut source = Source::open(&file, &request)?;
    while let Some(piece) = source.next_piece()? {
        sending.write_chunk(piece).await?;
    }
    sending.finish()?;
    connection.closed().await;
    Ok(())
}

async fn fetch(connection: &quinn::Connection, bytes: u64, target: &mut Target) -> Result<()> {
    let (mut sending, mut receiving) = connection.open_bi().await?;
    sending.write_all(bytes.to_string().as_bytes()).await?;
    sending.finish()?;
    let mut pieces = vec![Bytes::new(); PIECES_MAX];
    while let Some(count) = receiving.read_chunks(&mut pieces).await? {
        target.write(pieces.get(..count).unwrap_or_default())?;
        pieces.fill(Bytes::new());
    }
    target.finish(bytes)
}

fn server_config(arguments: &Arguments) -> Result<ServerConfig> {
    let identity = Identity::new(arguments)?;
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let tls = rustls::ServerConfig::builder_with_provider(aes_128())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport(arguments)?));
    Ok(config)
}

fn client_config(arguments: &Arguments) -> Result<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let path = &arguments.certificate;
    let certificate = CertificateDer::from_pem_file(path)
        .with_context(|| format!("{}: no certificate", path.display()))?;
    roots.add(certificate)?;
    let tls = rustls::ClientConfig::builder_with_provider(aes_128())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport(arguments)?));
    Ok(config)
}

/// The cipher that everybody here is measured with; QUIC's handshake needs it anyway.
fn aes_128() -> Arc<CryptoProvider> {
    let cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..default_provider() })
}

fn transport(arguments: &Arguments) -> Result<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(WINDOW_BYTES.into())
        .receive_window(WINDOW_BYTES.into())
        .send_window(WINDOW_BYTES.into())
        .enable_segmentation_offload(!arguments.no_gso)
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into()?));
    match arguments.congestion {
        Congestion::Bbr => {
            transport.congestion_controller_factory(Arc::new(BbrConfig::default()));
        }
        Congestion::Cubic => {
            transport.congestion_controller_factory(Arc::new(CubicConfig::default()));
        }
    }
    Ok(transport)
}
