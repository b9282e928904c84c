//! What Python sees of a front.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use crate::call::Call;
use crate::server;
use crate::shared::{Method, Shared, locked};
use crate::tallies::{Bounds, Histogram};
use crate::tls::{Acceptor, Identity};

const BACKLOG: i32 = 4096;

type Shown = (Vec<u64>, (Vec<u64>, f64), (Vec<u64>, f64), (Vec<u64>, f64));

/// Key, chain and roots as PEM, and whether callers may come without a certificate.
type Secured = (Vec<u8>, Vec<u8>, Vec<u8>, bool);

/// Listens from its making on, and serves from `start` to `stop`. All methods are called on the loop's thread.
#[pyclass(frozen, module = "flotilla_native")]
pub struct Front {
    shared: Arc<Shared>,
    names: Vec<Py<PyString>>,
    make_peer: Py<PyAny>,
    port: u16,
    listener: Mutex<Option<TcpListener>>,
    stopping: watch::Sender<Option<Duration>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[pymethods]
impl Front {
    /// `methods`: name, the field whose occurrences are counted in calls that are refused (or None), and how many calls may
    /// wait. `identity`: key, chain and roots as PEM, and whether callers may come without a certificate; None: plaintext.
    /// `make_peer` is called once for a connection with its address and certificate (DER or None). Raises OSError if the
    /// address cannot be listened on, ValueError for an identity that cannot be used.
    #[new]
    #[pyo3(signature = (address, port, *, methods, most_bytes, milliseconds, sizes, make_peer, identity=None, target=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        address: &str,
        port: u16,
        methods: Vec<(String, Option<u64>, usize)>,
        most_bytes: usize,
        milliseconds: Vec<f64>,
        sizes: Vec<f64>,
        make_peer: Py<PyAny>,
        identity: Option<Secured>,
        target: Option<PathBuf>,
    ) -> PyResult<Self> {
        let names = methods.iter().map(|(name, ..)| PyString::new(py, name).unbind()).collect();
        let methods = methods.into_iter().map(|(name, counted, most_waiting)| Method { name, counted, most_waiting }).collect();
        let tls = identity
            .map(|(key, chain, roots, optional)| Acceptor::new(&Identity { key: &key, chain: &chain, roots: &roots }, optional))
            .transpose()
            .map_err(PyValueError::new_err)?;
        let listener = listen(address, port).map_err(PyOSError::new_err_of)?;
        let bounds = Bounds { milliseconds, bytes: sizes };
        let shared = Shared::new(methods, most_bytes, bounds, tls, target).map_err(PyOSError::new_err_of)?;
        Ok(Front {
            shared: Arc::new(shared),
            names,
            make_peer,
            port: listener.local_addr()?.port(),
            listener: Mutex::new(Some(listener)),
            stopping: watch::channel(None).0,
            thread: Mutex::new(None),
        })
    }

    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    /// The file that the loop watches: readable while calls wait that `begin` was not called for.
    fn fileno(&self) -> i32 {
        self.shared.event_fd()
    }

    fn start(&self) -> PyResult<()> {
        let Some(listener) = locked(&self.listener).take() else {
            return Err(PyValueError::new_err("a front is started once"));
        };
        let (shared, stopping) = (self.shared.clone(), self.stopping.subscribe());
        let thread =
            std::thread::Builder::new().name("grpc front".into()).spawn(move || server::run(listener, shared, stopping))?;
        *locked(&self.thread) = Some(thread);
        Ok(())
    }

    /// New handshakes see this identity.
    fn renew(&self, key: &[u8], chain: &[u8], roots: &[u8]) -> PyResult<()> {
        match &self.shared.tls {
            Some(tls) => tls.renew(&Identity { key, chain, roots }).map_err(PyValueError::new_err),
            None => Ok(()),
        }
    }

    /// Take what waits: answers are sent with `flush`.
    fn begin(&self) {
        self.shared.begin();
    }

    /// Up to so many calls of the method of this place in `methods`. Of those that have waited for more than `longest` seconds
    /// each is refused instead.
    #[pyo3(signature = (method, most, longest=None))]
    fn take(&self, py: Python<'_>, method: usize, most: usize, longest: Option<f64>) -> Vec<Call> {
        let name = &self.names[method];
        let longest = longest.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let found = self.shared.take(method, most, longest);
        found
            .into_iter()
            .map(|state| Call::new(py, state, self.shared.clone(), name.clone_ref(py), self.make_peer.clone_ref(py)))
            .collect()
    }

    /// Send the answers since `begin`; gives whether calls still wait.
    fn flush(&self) -> bool {
        self.shared.flush()
    }

    #[getter]
    fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// Of each method, since the last time: calls that found no room, and the counted fields in them.
    fn refused(&self) -> Vec<(u64, u64)> {
        let taken =
            |each: &crate::shared::Refused| (each.calls.swap(0, Ordering::Relaxed), each.entries.swap(0, Ordering::Relaxed));
        self.shared.refused.iter().map(taken).collect()
    }

    /// Of each method: calls by the number of their status; milliseconds, bytes received and bytes sent, each as numbers
    /// of values up to each bound (and above the last) and their sum.
    fn tallies(&self) -> Vec<Shown> {
        let shown = |each: Histogram| (each.counts, each.sum);
        self.shared
            .tallies()
            .into_iter()
            .map(|each| (each.codes.to_vec(), shown(each.milliseconds), shown(each.received), shown(each.sent)))
            .collect()
    }

    /// Who is at the other end of the tunnel with this path, or None.
    fn peer_at(&self, py: Python<'_>, path: &str) -> PyResult<Option<Py<PyAny>>> {
        let found = locked(&self.shared.tunnels).get(path).cloned();
        found.map(|connection| connection.peer(py, &self.make_peer)).transpose()
    }

    /// Take no new connections and ask open ones to end; what is not answered in so many seconds is cut off. Returns at once.
    fn stop(&self, grace_seconds: f64) {
        locked(&self.listener).take();
        self.stopping.send_replace(Some(Duration::try_from_secs_f64(grace_seconds).unwrap_or_default()));
    }

    /// Wait for the end that `stop` began. Blocks, and lets other threads run.
    fn join(&self, py: Python<'_>) {
        let thread = locked(&self.thread).take();
        py.detach(|| thread.map(JoinHandle::join));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stopping.send_replace(Some(Duration::ZERO));
    }
}

/// OSError with its number, so that Python makes the class that belongs to it.
trait OfError {
    fn new_err_of(error: io::Error) -> PyErr;
}

impl OfError for PyOSError {
    fn new_err_of(error: io::Error) -> PyErr {
        error.into()
    }
}

fn listen(address: &str, port: u16) -> io::Result<TcpListener> {
    let place = if address.is_empty() { "::" } else { address.trim_matches(['[', ']']) };
    let found = (place, port).to_socket_addrs()?.next();
    let place: SocketAddr = found.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let socket = Socket::new(Domain::for_address(place), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if place.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&place.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
