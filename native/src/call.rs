//! One call: the front's side of it, and Python's.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::grpc::{DEADLINE_EXCEEDED, INTERNAL, Status};
use crate::shared::{Shared, locked};

const OPEN: u8 = 0;
const ANSWERED: u8 = 1;
const FAILED: u8 = 2;

/// How a call was answered.
pub enum Outcome {
    Message(Bytes),
    Failed(Status),
}

pub struct CallState {
    pub method: usize,
    pub headers: HeaderMap,
    pub message: Bytes,
    pub arrived: Instant,
    pub deadline: Option<Instant>,
    pub connection: Arc<Connection>,
    state: AtomicU8,
    answer: Mutex<Option<oneshot::Sender<Outcome>>>,
}

impl CallState {
    pub fn new(
        method: usize,
        headers: HeaderMap,
        message: Bytes,
        deadline: Option<Instant>,
        connection: Arc<Connection>,
        answer: oneshot::Sender<Outcome>,
    ) -> Self {
        CallState {
            method,
            headers,
            message,
            arrived: Instant::now(),
            deadline,
            connection,
            state: AtomicU8::new(OPEN),
            answer: Mutex::new(Some(answer)),
        }
    }

    /// The caller went away, or its time is over.
    pub fn gone(&self) {
        self.end(FAILED);
    }

    /// There was no time for it.
    pub fn refuse(&self, shared: &Shared) {
        self.answer(shared, FAILED, Outcome::Failed(crate::grpc::busy()));
    }

    fn end(&self, state: u8) -> bool {
        self.state.compare_exchange(OPEN, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn done(&self) -> bool {
        self.state.load(Ordering::Acquire) != OPEN
    }

    fn given_up(&self) -> bool {
        self.done() || self.deadline.is_some_and(|end| Instant::now() >= end)
    }

    fn answer(&self, shared: &Shared, state: u8, outcome: Outcome) {
        if self.end(state)
            && let Some(to) = locked(&self.answer).take()
        {
            shared.answer(to, outcome);
        }
    }
}

/// A call as batch functions know it: flotilla_shared.runtime.batches.Call, of which it has every part.
#[pyclass(frozen, module = "flotilla_native")]
pub struct Call {
    state: Arc<CallState>,
    shared: Arc<Shared>,
    method: Py<PyString>,
    message: Py<PyBytes>,
    make_peer: Py<PyAny>,
}

impl Call {
    pub fn new(py: Python<'_>, state: Arc<CallState>, shared: Arc<Shared>, method: Py<PyString>, make_peer: Py<PyAny>) -> Self {
        let message = PyBytes::new(py, &state.message).unbind();
        Call { state, shared, method, message, make_peer }
    }
}

/// One that nobody holds any more and nobody answered would keep its caller waiting.
impl Drop for Call {
    fn drop(&mut self) {
        if !self.state.done() {
            let forgotten = Status::new(INTERNAL, "the call was not answered");
            self.state.answer(&self.shared, FAILED, Outcome::Failed(forgotten));
        }
    }
}

#[pymethods]
impl Call {
    /// `/package.Service/Method`.
    #[getter]
    fn method(&self, py: Python<'_>) -> Py<PyString> {
        self.method.clone_ref(py)
    }

    #[getter]
    fn message(&self, py: Python<'_>) -> Py<PyBytes> {
        self.message.clone_ref(py)
    }

    /// Pairs of name and value; values of names that end in `-bin` are bytes.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let mut found = Vec::new();
        for (name, value) in &self.state.headers {
            if is_protocol(name) {
                continue;
            }
            let shown = if name.as_str().ends_with("-bin") {
                PyBytes::new(py, &base64_decoded(value.as_bytes())).into_any()
            } else {
                PyString::new(py, &String::from_utf8_lossy(value.as_bytes())).into_any()
            };
            found.push((name.as_str(), shown).into_pyobject(py)?);
        }
        PyTuple::new(py, found)
    }

    /// Who calls: made once for a connection.
    #[getter]
    fn peer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.state.connection.peer(py, &self.make_peer)
    }

    /// Answered, failed, or given up by the caller.
    #[getter]
    fn done(&self) -> bool {
        self.state.done()
    }

    /// Done, and not with an answer.
    #[getter]
    fn failed(&self) -> bool {
        self.state.state.load(Ordering::Acquire) == FAILED
    }

    /// Nobody waits for an answer: it is there, the caller went away, or its time is over.
    #[getter]
    fn given_up(&self) -> bool {
        self.state.given_up()
    }

    /// Seconds until the caller waits no longer; None where it said nothing.
    #[getter]
    fn deadline(&self) -> Option<f64> {
        let now = Instant::now();
        self.state.deadline.map(|end| match end.checked_duration_since(now) {
            Some(left) => left.as_secs_f64(),
            None => -(now - end).as_secs_f64(),
        })
    }

    /// Seconds since the whole call was here.
    #[getter]
    fn waited(&self) -> Option<f64> {
        Some(self.state.arrived.elapsed().as_secs_f64())
    }

    /// How often the field that is counted for the method stands in the message; None if none is.
    #[getter]
    fn occurrences(&self) -> Option<u64> {
        let field = self.shared.methods[self.state.method].counted?;
        Some(crate::grpc::occurrences(&self.state.message, field))
    }

    fn answer(&self, message: &[u8]) {
        if !self.state.done() {
            self.state.answer(&self.shared, ANSWERED, Outcome::Message(crate::grpc::framed(message)));
        }
    }

    /// A status of grpc.StatusCode that is not OK; `text` goes to the caller.
    fn fail(&self, code: &Bound<'_, PyAny>, text: String) -> PyResult<()> {
        let number: i32 = code.getattr("value")?.get_item(0)?.extract()?;
        self.state.answer(&self.shared, FAILED, Outcome::Failed(Status::new(number, text)));
        Ok(())
    }

    /// Fail it if nobody waits for it any more.
    fn expire(&self) {
        if self.state.given_up() {
            let over = Status::new(DEADLINE_EXCEEDED, "the caller's time is over");
            self.state.answer(&self.shared, FAILED, Outcome::Failed(over));
        }
    }
}

/// Headers that are the protocol's own and no metadata.
fn is_protocol(name: &HeaderName) -> bool {
    matches!(name.as_str(), "te" | "content-type" | "grpc-timeout" | "grpc-encoding" | "grpc-accept-encoding")
}

/// Standard base64, with or without its padding; what is none ends there.
fn base64_decoded(text: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for &letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            found.push((bits >> held) as u8);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("AA==", b"\0"),
            ("AA", b"\0"),
            ("aGVsbG8", b"hello"),
            ("aGVsbG8=", b"hello"),
            ("+/+/", b"\xfb\xff\xbf"),
            ("a*", b""),
        ] {
            assert_eq!(base64_decoded(text.as_bytes()), bytes, "{text}");
        }
    }
}
