//! Streams, and whatever no batch function serves: passed on, frame by frame, to gRPC on a Unix socket.
//!
//! Each connection that has streams gets a path of its own for the front's end of the socket. gRPC shows that path as the
//! peer, and the loop asks the front who it is.

use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, Uri};
use tokio::net::{UnixSocket, UnixStream};
use tokio::task::JoinHandle;

use crate::connection::Connection;
use crate::grpc::{self, Status};
use crate::shared::{Shared, locked};

const WINDOW: u32 = 1024 * 1024;

/// A connection to gRPC for the streams of one connection.
pub struct Tunnel {
    path: PathBuf,
    requests: SendRequest<Bytes>,
    task: JoinHandle<()>,
}

pub async fn serve(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
) {
    let Some(target) = &shared.target else {
        let text = format!("nothing here has the method {}", request.uri().path());
        let _ = respond.send_response(grpc::failure(&Status::new(grpc::UNIMPLEMENTED, text)), true);
        return;
    };
    match open(target, shared, connection).await {
        Ok(requests) => forward(request, respond, requests).await,
        Err(_) => unavailable(&mut respond),
    }
}

fn unavailable(respond: &mut SendResponse<Bytes>) {
    let status = Status::new(grpc::UNAVAILABLE, "the server is about to stop");
    let _ = respond.send_response(grpc::failure(&status), true);
}

/// The connection's way to gRPC, new where there is none that works.
async fn open(target: &Path, shared: &Arc<Shared>, connection: &Arc<Connection>) -> io::Result<SendRequest<Bytes>> {
    let mut held = connection.tunnel.lock().await;
    if let Some(tunnel) = held.as_ref()
        && !tunnel.task.is_finished()
    {
        return Ok(tunnel.requests.clone());
    }
    end(held.take(), shared);
    let number = shared.tunnel_number.fetch_add(1, Ordering::Relaxed);
    let path = target.with_file_name(format!("f{number}"));
    locked(&shared.tunnels).insert(path.to_string_lossy().into_owned(), connection.clone());
    match connected(target, &path).await {
        Ok((requests, task)) => {
            *held = Some(Tunnel { path, requests: requests.clone(), task });
            Ok(requests)
        }
        Err(error) => {
            forget(&path, shared);
            Err(error)
        }
    }
}

async fn connected(target: &Path, path: &Path) -> io::Result<(SendRequest<Bytes>, JoinHandle<()>)> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let stream = socket.connect(target).await?;
    let mut settings = h2::client::Builder::new();
    settings.initial_window_size(WINDOW).initial_connection_window_size(16 * WINDOW).enable_push(false);
    let (requests, http) = settings.handshake::<UnixStream, Bytes>(stream).await.map_err(io::Error::other)?;
    let task = tokio::spawn(async move {
        let _ = http.await;
    });
    Ok((requests, task))
}

/// The connection has ended: so has its way to gRPC.
pub async fn close(connection: &Connection, shared: &Shared) {
    end(connection.tunnel.lock().await.take(), shared);
}

fn end(tunnel: Option<Tunnel>, shared: &Shared) {
    if let Some(tunnel) = tunnel {
        tunnel.task.abort();
        forget(&tunnel.path, shared);
    }
}

fn forget(path: &Path, shared: &Shared) {
    locked(&shared.tunnels).remove(&*path.to_string_lossy());
    let _ = std::fs::remove_file(path);
}

/// One stream, both ways, until either side ends it.
async fn forward(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, requests: SendRequest<Bytes>) {
    let (head, body) = request.into_parts();
    let Ok(mut requests) = requests.ready().await else { return unavailable(&mut respond) };
    let Ok(uri) = upstream(&head.uri) else { return respond.send_reset(Reason::PROTOCOL_ERROR) };
    let mut passed = Request::new(());
    *passed.method_mut() = head.method;
    *passed.uri_mut() = uri;
    *passed.headers_mut() = head.headers;
    match requests.send_request(passed, body.is_end_stream()) {
        Ok((response, up)) => {
            let down = answer(response, &mut respond);
            tokio::join!(up_stream(body, up), down);
        }
        Err(_) => unavailable(&mut respond),
    }
}

fn upstream(given: &Uri) -> Result<Uri, http::Error> {
    let authority = given.authority().map_or("localhost", |found| found.as_str());
    let path = given.path_and_query().map_or("/", |found| found.as_str());
    Uri::builder().scheme("http").authority(authority).path_and_query(path).build()
}

/// From the caller to gRPC. A caller that resets its stream resets gRPC's.
async fn up_stream(mut from: RecvStream, mut to: SendStream<Bytes>) {
    while let Some(found) = from.data().await {
        let Ok(data) = found else { return to.send_reset(Reason::CANCEL) };
        let length = data.len();
        if send(&mut to, data).await.is_err() {
            return;
        }
        let _ = from.flow_control().release_capacity(length);
    }
    if to.send_data(Bytes::new(), true).is_ok() {
        // A caller that has said all may still go away; then gRPC's side is reset by the caller's own reset, seen below.
    }
}

/// From gRPC to the caller.
async fn answer(response: h2::client::ResponseFuture, respond: &mut SendResponse<Bytes>) {
    let found = tokio::select! {
        found = response => found,
        _ = poll_fn(|context| respond.poll_reset(context)) => return,
    };
    let Ok(found) = found else { return unavailable(respond) };
    let (head, mut body) = found.into_parts();
    let only = body.is_end_stream();
    let mut passed = Response::new(());
    *passed.status_mut() = head.status;
    *passed.headers_mut() = head.headers;
    let Ok(mut to) = respond.send_response(passed, only) else { return };
    if !only {
        down_stream(&mut body, &mut to).await;
    }
}

async fn down_stream(from: &mut RecvStream, to: &mut SendStream<Bytes>) {
    loop {
        let found = tokio::select! {
            found = from.data() => found,
            _ = poll_fn(|context| to.poll_reset(context)) => return,
        };
        let Some(found) = found else { break };
        let Ok(data) = found else { return to.send_reset(Reason::CANCEL) };
        let length = data.len();
        if send(to, data).await.is_err() {
            return;
        }
        let _ = from.flow_control().release_capacity(length);
    }
    match from.trailers().await {
        Ok(Some(trailers)) => drop(to.send_trailers(trailers)),
        Ok(None) => drop(to.send_data(Bytes::new(), true)),
        Err(_) => to.send_reset(Reason::CANCEL),
    }
}

/// As fast as the other side takes it.
async fn send(to: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        while to.capacity() == 0 {
            match poll_fn(|context| to.poll_capacity(context)).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(Reason::CANCEL.into()),
            }
        }
        let part = data.split_to(to.capacity().min(data.len()));
        to.send_data(part, false)?;
    }
    Ok(())
}
