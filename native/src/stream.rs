//! One unary call, from its headers to its trailers.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use crate::call::{CallState, Outcome};
use crate::connection::Connection;
use crate::grpc::{self, Status};
use crate::shared::Shared;
use crate::tallies::Ended;
use crate::tunnel;

/// A call that ends without an answer for its caller: it is gone.
struct Gone;

pub async fn serve(request: Request<RecvStream>, respond: SendResponse<Bytes>, shared: Arc<Shared>, connection: Arc<Connection>) {
    let Some(&method) = shared.by_path.get(request.uri().path()) else {
        return tunnel::serve(request, respond, &shared, &connection).await;
    };
    let unary = Unary { method, began: Instant::now(), shared, respond };
    unary.serve(request, connection).await;
}

struct Unary {
    method: usize,
    began: Instant,
    shared: Arc<Shared>,
    respond: SendResponse<Bytes>,
}

impl Unary {
    async fn serve(mut self, request: Request<RecvStream>, connection: Arc<Connection>) {
        if let Some(status) = refusal(&request) {
            // Read to its end, or some clients take the reset of their own stream for the answer.
            let _ = collect(&mut request.into_body(), self.shared.most_bytes).await;
            let answer = Response::builder().status(status).body(()).expect("a status alone is an answer");
            let _ = self.respond.send_response(answer, true);
            return;
        }
        let deadline = grpc::timeout(request.headers()).map(|limit| self.began + limit);
        let (head, mut body) = request.into_parts();
        let (received, outcome) = tokio::select! {
            found = collect(&mut body, self.shared.most_bytes) => match found {
                Ok(found) => (found.len(), self.ask(head.headers, found, deadline, connection).await),
                Err(error) => (0, error.map_or(Err(Gone), |status| Ok(Outcome::Failed(status)))),
            },
            () = over(deadline) => (0, Ok(Outcome::Failed(expired()))),
        };
        self.end(received, outcome);
    }

    /// What Python makes of the call.
    async fn ask(
        &mut self,
        headers: HeaderMap,
        body: Bytes,
        deadline: Option<Instant>,
        connection: Arc<Connection>,
    ) -> Result<Outcome, Gone> {
        let message = match grpc::message(body, &headers, self.shared.most_bytes) {
            Ok(message) => message,
            Err(status) => return Ok(Outcome::Failed(status)),
        };
        let (to, mut answer) = oneshot::channel();
        let call = Arc::new(CallState::new(self.method, headers, message, deadline, connection, to));
        if !self.shared.put(call.clone()) {
            return Ok(Outcome::Failed(grpc::busy()));
        }
        let found = tokio::select! {
            biased;
            found = &mut answer => found.map_err(|_| Gone),
            _ = poll_fn(|context| self.respond.poll_reset(context)) => Err(Gone),
            () = over(deadline) => Ok(Outcome::Failed(expired())),
        };
        call.gone(); // changes nothing where Python has answered
        found
    }

    fn end(mut self, received: usize, outcome: Result<Outcome, Gone>) {
        let (code, sent) = match outcome {
            Ok(Outcome::Message(message)) => {
                let length = message.len() - grpc::PREFIX_BYTES;
                self.answer(message).map_or((grpc::CANCELLED, 0), |()| (grpc::OK, length))
            }
            Ok(Outcome::Failed(status)) => {
                let _ = self.respond.send_response(grpc::failure(&status), true);
                (status.code, 0)
            }
            Err(Gone) => (grpc::CANCELLED, 0),
        };
        let milliseconds = self.began.elapsed().as_secs_f64() * 1000.0;
        let received = received.saturating_sub(grpc::PREFIX_BYTES);
        self.shared.ended(self.method, &Ended { code, milliseconds, received, sent });
    }

    fn answer(&mut self, message: Bytes) -> Result<(), h2::Error> {
        let mut body = self.respond.send_response(grpc::head(), false)?;
        body.send_data(message, false)?;
        body.send_trailers(grpc::success())
    }
}

/// The HTTP status for what is no call of gRPC's.
fn refusal(request: &Request<RecvStream>) -> Option<StatusCode> {
    if request.method() != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let kind = request.headers().get(http::header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    (!kind.starts_with(b"application/grpc")).then_some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// The whole body. Fails with a status for the caller, or without one where the caller is gone.
async fn collect(body: &mut RecvStream, most: usize) -> Result<Bytes, Option<Status>> {
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return bounded(first.len(), most).map(|()| first);
    }
    let mut found = BytesMut::from(first);
    while let Some(more) = next(body).await? {
        bounded(found.len() + more.len(), most)?;
        found.extend_from_slice(&more);
    }
    Ok(found.freeze())
}

async fn next(body: &mut RecvStream) -> Result<Option<Bytes>, Option<Status>> {
    match body.data().await {
        None => Ok(None),
        Some(Ok(data)) => {
            let _ = body.flow_control().release_capacity(data.len());
            Ok(Some(data))
        }
        Some(Err(_)) => Err(None),
    }
}

fn bounded(length: usize, most: usize) -> Result<(), Option<Status>> {
    if length > most + grpc::PREFIX_BYTES { Err(Some(grpc::too_long(length - grpc::PREFIX_BYTES, most))) } else { Ok(()) }
}

async fn over(deadline: Option<Instant>) {
    match deadline {
        Some(end) => sleep_until(end.into()).await,
        None => pending().await,
    }
}

fn expired() -> Status {
    Status::new(grpc::DEADLINE_EXCEEDED, "the caller's time is over")
}
