//! The front's thread: it listens, and serves each connection in a task.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::{self, Connection, HANDSHAKE};
use crate::shared::Shared;

const CONNECTIONS: usize = 20_000;
const SHORT_OF_FILES: Duration = Duration::from_millis(50);

/// Serve until `stopping` says so, and then for so long until the last call is answered.
pub fn run(listener: StdListener, shared: Arc<Shared>, stopping: watch::Receiver<Option<Duration>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(listener, shared, stopping)),
        Err(error) => eprintln!("the front's thread cannot begin: {error}"),
    }
}

async fn serve(listener: StdListener, shared: Arc<Shared>, mut stopping: watch::Receiver<Option<Duration>>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let (drain, draining) = watch::channel(false);
    let answers = tokio::spawn(answerer(shared.clone()));
    let mut connections = JoinSet::new();
    let grace = loop {
        tokio::select! {
            found = listener.accept() => match found {
                Ok((stream, address)) if shared.connections.load(Ordering::Relaxed) < CONNECTIONS => {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    let (shared, draining) = (shared.clone(), draining.clone());
                    connections.spawn(async move {
                        accepted(stream, address, &shared, draining).await;
                        shared.connections.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                Ok(_) => {}
                Err(_) => sleep(SHORT_OF_FILES).await,
            },
            Some(_) = connections.join_next() => {}
            found = stopping.wait_for(Option::is_some) => break found.map_or(None, |grace| *grace).unwrap_or_default(),
        }
    };
    drop(listener);
    let _ = drain.send(true);
    let _ = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    answers.abort();
}

async fn accepted(stream: TcpStream, address: std::net::SocketAddr, shared: &Arc<Shared>, draining: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else {
        return connection::serve(stream, Arc::new(Connection::new(address, None)), shared.clone(), draining).await;
    };
    if let Ok(Ok(secured)) = timeout(HANDSHAKE, tls.newest().accept(stream)).await {
        let shown = secured.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let caller = Arc::new(Connection::new(address, shown.map(|found| found.to_vec())));
        connection::serve(secured, caller, shared.clone(), draining).await;
    }
}

/// Hands answers to their calls, as many at a time as there are.
async fn answerer(shared: Arc<Shared>) {
    loop {
        shared.answered.notified().await;
        for (to, outcome) in shared.answers() {
            let _ = to.send(outcome);
        }
    }
}
