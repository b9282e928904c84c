//! One connection: who is at its other end, and the HTTP/2 on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::{Ping, PingPong};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::shared::Shared;
use crate::tunnel::Tunnel;
use crate::{stream, tunnel};

/// TLS, and the first frames of HTTP/2.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
// As gRPC's servers here: a peer that is gone is noticed.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);

const STREAMS: u32 = 1_000;
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const FRAME_BYTES: u32 = 256 * 1024;
const HEADER_BYTES: u32 = 16 * 1024;

pub struct Connection {
    address: String,
    certificate: Option<Vec<u8>>,
    peer: PyOnceLock<Py<PyAny>>,
    /// The way to gRPC for its streams, opened at the first of them.
    pub tunnel: Mutex<Option<Tunnel>>,
}

impl Connection {
    pub fn new(address: SocketAddr, certificate: Option<Vec<u8>>) -> Self {
        let ip = address.ip().to_canonical();
        let address = SocketAddr::new(ip, address.port()).to_string();
        Connection { address, certificate, peer: PyOnceLock::new(), tunnel: Mutex::new(None) }
    }

    /// What `make` makes of the address and the certificate (DER or None), the first time.
    pub fn peer(&self, py: Python<'_>, make: &Py<PyAny>) -> PyResult<Py<PyAny>> {
        self.peer
            .get_or_try_init(py, || {
                let certificate = self.certificate.as_ref().map(|der| PyBytes::new(py, der));
                make.call1(py, (&self.address, certificate))
            })
            .map(|found| found.clone_ref(py))
    }
}

/// Serve it until it ends; once `draining` it ends with its last call.
pub async fn serve<T>(io: T, connection: Arc<Connection>, shared: Arc<Shared>, draining: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut settings = h2::server::Builder::new();
    settings
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_BYTES);
    if let Ok(Ok(http)) = timeout(HANDSHAKE, settings.handshake::<T, Bytes>(io)).await {
        accept(http, &connection, &shared, draining).await;
    }
    tunnel::close(&connection, &shared).await;
}

async fn accept<T>(
    mut http: h2::server::Connection<T, Bytes>,
    connection: &Arc<Connection>,
    shared: &Arc<Shared>,
    mut draining: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let alive = keep_alive(http.ping_pong());
    tokio::pin!(alive);
    let mut open = true;
    loop {
        tokio::select! {
            found = http.accept() => match found {
                Some(Ok((request, respond))) => {
                    tokio::spawn(stream::serve(request, respond, shared.clone(), connection.clone()));
                }
                _ => return,
            },
            () = &mut alive => return,
            _ = draining.wait_for(|now| *now), if open => {
                open = false;
                http.graceful_shutdown();
            }
        }
    }
}

/// Returns when the peer does not answer a ping.
async fn keep_alive(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        sleep(PING_EVERY).await;
        match timeout(PONG_WITHIN, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            _ => return,
        }
    }
}
